// What a linked chain has done so far, so that it can be undone: one record for each accepted
// transfer, with its own copy of everything that is needed (a remembered record may be forgotten
// before the chain ends). Only written while a chain is at work.
//
//   word words field
//      0     1 deed                Deed
//      1     1 debit account       account number
//      2     1 credit account      account number
//      3     1 tail before         what `undoAdd` of the remembered id asks for
//      4     4 amount              what was posted (immediate, post) or held (pending)
//      8     4 id                  of the accepted transfer
//     12    16 hold                the hold that a post or void resolved, as it was

export const UNDO_WORDS = 28;

export const UndoWord = {
  deed: 0,
  debitAccount: 1,
  creditAccount: 2,
  tailBefore: 3,
  amount: 4,
  id: 8,
  hold: 12,
} as const;

export const Deed = { immediate: 1, pending: 2, post: 3, void: 4 } as const;

const RECORDS_AT_START = 16;

export class UndoLog {
  #words = new Uint32Array(UNDO_WORDS * RECORDS_AT_START);
  #count = 0;
  #recording = false;
  /** When the last transfer before the chain was accepted. */
  readonly lastTransferTime = new Uint32Array(2);
  /** How many transfers of the command were accepted before the chain. */
  acceptedBefore = 0;

  get words(): Uint32Array {
    return this.#words;
  }

  get count(): number {
    return this.#count;
  }

  get recording(): boolean {
    return this.#recording;
  }

  /** `lastTransferTime`: of the last transfer before the chain. */
  start(lastTransferTime: Uint32Array, acceptedBefore: number): void {
    this.acceptedBefore = acceptedBefore;
    this.lastTransferTime.set(lastTransferTime);
    this.#recording = true;
    this.#count = 0;
  }

  stop(): void {
    this.#recording = false;
    this.#count = 0;
  }

  /** A new record; returns its first word. A log is at most one batch, so it may be copied. */
  add(deed: number): number {
    const first = this.#count * UNDO_WORDS;
    if (first === this.#words.length) {
      const larger = new Uint32Array(2 * first);
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#count += 1;
    this.#words[first + UndoWord.deed] = deed;
    return first;
  }

  /** Takes the newest record off; returns its first word, readable until the next add. */
  pop(): number {
    this.#count -= 1;
    return this.#count * UNDO_WORDS;
  }
}
