// Questions on their way to another thread, until the answer comes or nobody is there to give it.

type Waiting = {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
};

export class PendingAnswers {
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  ask<T>(): { readonly id: number; readonly promise: Promise<T> } {
    this.#last += 1;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.set(this.#last, { resolve: resolve as (value: unknown) => void, reject });
    return { id: this.#last, promise };
  }

  resolve(id: number, value: unknown): void {
    this.#taken(id)?.resolve(value);
  }

  reject(id: number, error: Error): void {
    this.#taken(id)?.reject(error);
  }

  rejectAll(error: Error): void {
    for (const id of this.#waiting.keys()) this.reject(id, error);
  }

  #taken(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
