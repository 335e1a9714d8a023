// The entries that the views have not come to yet, each as what the books were behind it. The views
// are fed up to such a mark, so that what they show is the books at a position. A view that lags
// for long has fewer marks to stop at, not more memory.

import type { Mark } from './messages.ts';

const MARKS_MAX = 16_384;

export type Stretch = {
  /** Where it ends is a mark; undefined = somewhere before `target`. */
  readonly mark: Mark | undefined;
  readonly target: Mark;
};

type Here = {
  readonly position: number;
  readonly transfers: number;
  readonly isComplete: boolean;
};

export class Marks {
  #marks: Mark[] = [];

  get latest(): Mark | undefined {
    return this.#marks.at(-1);
  }

  restart(mark: Mark): void {
    this.#marks = [mark];
  }

  add(mark: Mark): void {
    this.#marks.push(mark);
    if (this.#marks.length <= MARKS_MAX) return;
    const last = this.#marks.length - 1;
    this.#marks = this.#marks.filter((_, index) => index % 2 === 0 || index === last);
  }

  /**
   * Where to go from here with at most `limit` transfers: to the furthest mark within reach, or
   * towards the first one. Undefined = nowhere.
   */
  next(here: Here, limit: number): Stretch | undefined {
    let reached: Mark | undefined;
    let passed = 0;
    for (const mark of this.#marks) {
      if (mark.transfers > here.transfers + limit) break;
      if (isAhead(mark, here)) reached = mark;
      passed += 1;
    }
    // The last one stays: it says how far the books are.
    this.#marks = this.#marks.slice(Math.min(Math.max(0, passed - 1), this.#marks.length - 1));
    if (reached !== undefined) return { mark: reached, target: reached };
    const [target] = this.#marks.filter(({ transfers }) => transfers > here.transfers);
    return target === undefined ? undefined : { mark: undefined, target };
  }
}

function isAhead(mark: Mark, { position, transfers, isComplete }: Here): boolean {
  // Between two marks a view may have transfers of the one behind.
  if (mark.transfers < transfers) return false;
  return mark.position > position || mark.transfers > transfers || !isComplete;
}
