// The ledger's state and the time of the command at work. The functions beside this file
// (evaluate-transfer, move-money, resolve-hold, chain, create-account, release-holds) work on it.

import { AcceptedLog } from './accepted-log.ts';
import { AccountTable } from './account-table.ts';
import { Books } from './books.ts';
import { HoldTable } from './hold-table.ts';
import { LookAhead } from './look-ahead.ts';
import { LedgerTable } from './ledger-table.ts';
import { RememberedTransfers } from './remembered-transfers.ts';
import { UndoLog } from './undo-log.ts';
import { ID_AHEAD_MS_MAX } from '../../base/limits.ts';

const NS_PER_MS = 1_000_000n;
const NS_PER_S = 1_000_000_000n;

export class LedgerKernel {
  readonly ledgers = new LedgerTable();
  readonly accounts = new AccountTable();
  readonly holds = new HoldTable();
  readonly books = new Books();
  readonly undo = new UndoLog();
  /** What the command at work accepted and released: for the history. */
  readonly accepted = new AcceptedLog();
  readonly ahead: LookAhead;
  readonly remembered: RememberedTransfers;

  /** Transfers accepted since the first: the next one's number in the history. */
  transfersAccepted = 0;
  /** Timestamp of the transfer that was accepted last; imported ones must be later. */
  readonly lastTransferTime = new Uint32Array(2);
  /** Whether the batch at work is an import: its records carry their own timestamps. */
  importing = false;

  /** Timestamp of the event at work: low and high word. */
  readonly eventTime = new Uint32Array(2);
  /** Ids with later milliseconds come from the future. */
  idUnixMsMax = 0;
  /** Room for a transfer or account record that is being put together. */
  readonly draft = new Uint32Array(32);
  /** Room for a hold, or for what is known of a resolved one. */
  readonly holdDraft = new Uint32Array(16);
  /** By how much a stretch of plain transfers has raised the two sides. */
  readonly raised = new Float64Array(2);
  /** Room for sums. */
  readonly sum = new Uint32Array(4);

  /** Time of the command: of its first event. */
  readonly commandTime = new Uint32Array(2);

  constructor(dedupeBytesMax: number) {
    this.remembered = new RememberedTransfers(dedupeBytesMax);
    this.ahead = new LookAhead(this.accounts, this.remembered);
  }

  /** Every command begins here: its time decides what is forgotten and what is future. */
  beginCommand(timeNs: bigint, dedupeWindowSeconds: number): void {
    this.commandTime[0] = Number(timeNs & 0xffff_ffffn);
    this.commandTime[1] = Number(timeNs >> 32n);
    this.idUnixMsMax = Number(timeNs / NS_PER_MS) + ID_AHEAD_MS_MAX;
    this.accepted.restart();
    this.remembered.raiseEdge(Number(timeNs / NS_PER_S) - dedupeWindowSeconds);
    this.beginEvent(0);
  }

  beginEvent(index: number): void {
    const low = (this.commandTime[0]! + index) >>> 0;
    const carry = low < index ? 1 : 0;
    this.eventTime[0] = low;
    this.eventTime[1] = this.commandTime[1]! + carry;
  }

  eventTimeNs(): bigint {
    return toNs(this.eventTime);
  }

  commandTimeNs(): bigint {
    return toNs(this.commandTime);
  }
}

function toNs(time: Uint32Array): bigint {
  return (BigInt(time[1]!) << 32n) | BigInt(time[0]!);
}
