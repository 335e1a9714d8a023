// Plain requests to a node: one attempt each, nothing retried, nothing hidden. For tests that are
// about statuses and headers; src/client is for those that are about money.

export type PlainAnswer = {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: Readonly<Record<string, unknown>>;
};

export class PlainCaller {
  readonly #url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  get(path: string): Promise<PlainAnswer> {
    return this.#call(path, { method: 'GET' });
  }

  post(path: string, body: unknown): Promise<PlainAnswer> {
    return this.#call(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  async #call(path: string, init: RequestInit): Promise<PlainAnswer> {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${this.#key}`);
    const response = await fetch(new URL(path, this.#url), { ...init, headers });
    const body: unknown = await response.json();
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      body: body as Readonly<Record<string, unknown>>,
    };
  }
}
