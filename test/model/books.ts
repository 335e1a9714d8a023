// What a test asks of a ledger, whichever one it is: the kernel and the naive model stand behind
// the same few questions, so that one scenario or one history is played on both.

import type { Account } from '../../src/base/account.ts';
import type { Transfer } from '../../src/base/transfer-record.ts';
import type { Command } from '../../src/domain/commands.ts';
import type { Outcome, Stamp } from '../../src/domain/outcome.ts';
import { NaiveLedger } from './naive-ledger.ts';
import type { HoldState } from './naive-rules.ts';

export type TransferAnswer = {
  readonly transfer: Transfer;
  readonly state: 'accepted' | 'failed';
  readonly hold: HoldState;
};

export interface Books {
  apply(command: Command, stamp: Stamp): Outcome;
  account(id: bigint): Account | undefined;
  transfer(id: bigint): TransferAnswer | undefined;
  rememberedCount(): number;
  nextDeadlineNs(): bigint | undefined;
}

/** The naive model behind the common questions. */
export class NaiveBooks implements Books {
  readonly ledger = new NaiveLedger();

  apply(command: Command, stamp: Stamp): Outcome {
    return this.ledger.apply(command, stamp);
  }

  account(id: bigint): Account | undefined {
    return this.ledger.account(id);
  }

  transfer(id: bigint): TransferAnswer | undefined {
    const remembered = this.ledger.transfer(id);
    if (remembered === undefined) return undefined;
    const { transfer, state, hold } = remembered;
    return { transfer, state, hold };
  }

  rememberedCount(): number {
    return this.ledger.rememberedCount;
  }

  nextDeadlineNs(): bigint | undefined {
    return this.ledger.nextDeadlineNs();
  }
}
