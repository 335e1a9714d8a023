// The kernel alone: domain.apply on requests that were prepared before, in this process. Nothing is
// written, hashed or sent.

import { TRANSFERS_PER_REQUEST_MAX } from '../../../src/base/limits.ts';
import { TRANSFER_BYTES } from '../../../src/base/transfer-record.ts';
import {
  type Command,
  accountsCommand,
  ledgersCommand,
  transfersCommand,
} from '../../../src/domain/commands.ts';
import {
  type DomainState,
  apply,
  assertBooksBalanceFully,
  createState,
  growAhead,
} from '../../../src/domain/domain.ts';
import { ledgerTotals } from '../../../src/domain/queries.ts';
import { CREATED } from '../../../src/domain/refusals.ts';
import { RULES_VERSION } from '../../../src/domain/state.ts';
import { LEDGER, type TransferStream } from './transfer-stream.ts';
import { MEMORY_AHEAD } from './memory-ahead.ts';
import { BooksWrong } from './failures.ts';

const ACCOUNTS_A_COMMAND = 1024;
/** Requests that are prepared at a time: 8 MiB, near as a request is that was just hashed. */
const PREPARED = 8;
const ZEROS_64 = '0';
const ZEROS_128 = '0'.repeat(32);

/** Of the clock, and of the CPU: on a shared machine the second says more. */
export type Taken = { readonly seconds: number; readonly cpuSeconds: number };

export class KernelLoad {
  readonly state: DomainState = createState();
  #position = 0;

  openLedger(): void {
    this.#apply(ledgersCommand([{ ledger: LEDGER, currency: 'EUR', exponent: 2 }]));
  }

  openAccounts(count: number): void {
    for (let first = 1; first <= count; first += ACCOUNTS_A_COMMAND) {
      const length = Math.min(ACCOUNTS_A_COMMAND, count - first + 1);
      const accounts = Array.from({ length }, (_, index) => ({
        id: (first + index).toString(16).padStart(32, '0'),
        ledger: LEDGER,
        code: 1,
        flags: 0,
        user_data_128: ZEROS_128,
        user_data_64: ZEROS_64,
        user_data_32: 0,
      }));
      this.#apply(accountsCommand(accounts));
    }
  }

  /** As a node does while it is idle. */
  takeMemoryAhead(): void {
    if (MEMORY_AHEAD === 'none') return;
    while (growAhead(this.state)) {
      // A slice a turn.
    }
  }

  /** What `apply` took for the next `transfers` of the stream; preparing is not counted. */
  run(stream: TransferStream, transfers: number): Taken {
    let seconds = 0;
    let cpuSeconds = 0;
    let left = transfers;
    while (left > 0) {
      const commands: Command[] = [];
      while (commands.length < PREPARED && left > 0) {
        const count = Math.min(TRANSFERS_PER_REQUEST_MAX, left);
        const records = new Uint8Array(count * TRANSFER_BYTES);
        stream.write(new DataView(records.buffer), 0, count);
        commands.push(transfersCommand(records));
        left -= count;
      }
      const cpuBefore = process.cpuUsage();
      const startedMs = performance.now();
      for (const command of commands) this.#apply(command);
      seconds += (performance.now() - startedMs) / 1000;
      const { user, system } = process.cpuUsage(cpuBefore);
      cpuSeconds += (user + system) / 1_000_000;
    }
    return { seconds, cpuSeconds };
  }

  /** Every account added up, and the sums equal to what the stream sent. */
  check(amount: number): void {
    assertBooksBalanceFully(this.state);
    const sums = ledgerTotals(this.state).find(({ ledger }) => ledger === LEDGER);
    if (sums?.debitsPosted === BigInt(amount) && sums.creditsPosted === BigInt(amount)) return;
    throw new BooksWrong(`the books hold ${sums?.debitsPosted}, ${amount} was sent`);
  }

  #apply(command: Command): void {
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    const earliestNs = this.state.lastTimeNs + 1n;
    const timeNs = nowNs > earliestNs ? nowNs : earliestNs;
    const stamp = { position: ++this.#position, timeNs, rulesVersion: RULES_VERSION };
    const { codes } = apply(this.state, command, stamp);
    for (let index = 0; index < codes.length; index++) {
      if (codes[index] !== CREATED) throw new BooksWrong(`refused with number ${codes[index]}`);
    }
  }
}
