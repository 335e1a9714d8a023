// The kernel behind the questions of books.ts. It checks after every command what production
// checks, and can be written down and read back.

import { createHash } from 'node:crypto';

import type { Account } from '../../src/base/account.ts';
import type { Command } from '../../src/domain/commands.ts';
import {
  apply,
  assertBooksBalance,
  assertBooksBalanceFully,
  createState,
  type DomainState,
  image,
  nextDeadlineNs,
  restore,
} from '../../src/domain/domain.ts';
import type { Outcome, Stamp } from '../../src/domain/outcome.ts';
import { counts, findAccount, findTransfer, ledgerTotals } from '../../src/domain/queries.ts';
import type { Books, TransferAnswer } from './books.ts';

export class KernelBooks implements Books {
  readonly state: DomainState;

  constructor(state: DomainState = createState()) {
    this.state = state;
  }

  apply(command: Command, stamp: Stamp): Outcome {
    const outcome = apply(this.state, command, stamp);
    assertBooksBalance(this.state);
    return outcome;
  }

  account(id: bigint): Account | undefined {
    return findAccount(this.state, id);
  }

  transfer(id: bigint): TransferAnswer | undefined {
    return findTransfer(this.state, id);
  }

  rememberedCount(): number {
    return counts(this.state).remembered;
  }

  nextDeadlineNs(): bigint | undefined {
    return nextDeadlineNs(this.state);
  }

  counts(): ReturnType<typeof counts> {
    return counts(this.state);
  }

  totals(): ReturnType<typeof ledgerTotals> {
    return ledgerTotals(this.state);
  }

  assertBalanced(): void {
    assertBooksBalanceFully(this.state);
  }

  /** One digest over names and bytes of all sections: equal digests are byte-equal images. */
  imageDigest(): string {
    const hash = createHash('sha256');
    for (const { name, bytes } of image(this.state)) {
      hash.update(`${name} ${bytes.byteLength}\n`).update(bytes);
    }
    return hash.digest('hex');
  }

  /** The state written down and read back, in memory of its own. */
  restored(): KernelBooks {
    const sections = image(this.state).map(({ name, bytes }) => ({ name, bytes: bytes.slice() }));
    return new KernelBooks(restore(sections));
  }
}
