// Commands: what an entry's body holds. Each stands behind a frame of 32 bytes and is padded with
// zeros to a multiple of 8, so that transfer records are 8-byte aligned and are read in place.
//
//   offset bytes field            (little-endian)
//        0     2 kind             CommandKind
//        2     2 zero
//        4     4 payload bytes    without padding
//        8     4 event count      timestamps that the command uses: one for each transfer or
//                                 account, 1 for everything else, at least 1
//       12     4 zero
//       16    16 command id       zero where the payload's own ids make a retry safe
//
// Transfers are raw 128-byte records; everything else is canonical JSON
// (docs/reference/journal.md).

import { assert } from '../base/assert.ts';
import { type Json, canonicalBytes } from '../base/canonical-json.ts';
import { COMMAND_FRAME_BYTES } from '../base/limits.ts';
import { TRANSFER_BYTES } from '../base/transfer-record.ts';

export const CommandKind = {
  transfers: 1,
  accounts: 2,
  ledgers: 3,
  configure: 4,
  tick: 5,
  accountFlags: 6,
} as const;

/**
 * A command as it travels from intake to the applier: its payload is never copied but into an
 * entry.
 */
export type Command = {
  readonly kind: number;
  readonly eventCount: number;
  readonly payload: Uint8Array;
};

/** One account of an `accounts` command: {"accounts":[...]}; 128- and 64-bit numbers as strings. */
export type AccountInput = {
  /** 32 hex digits. */
  readonly id: string;
  readonly ledger: number;
  readonly code: number;
  readonly flags: number;
  /** 32 hex digits. */
  readonly user_data_128: string;
  /** Decimal. */
  readonly user_data_64: string;
  readonly user_data_32: number;
  /** Decimal nanoseconds since 1970, of an imported account; left out otherwise. */
  readonly timestamp_ns?: string;
};

/** An `account_flags` command: the state wanted, and the one it is taken to be in. */
export type AccountFlagsInput = {
  /** 32 hex digits. */
  readonly account: string;
  readonly frozen: boolean;
  readonly expected_frozen: boolean;
};

/** One ledger of a `ledgers` command: {"ledgers":[...]}. */
export type LedgerInput = {
  readonly ledger: number;
  readonly currency: string;
  readonly exponent: number;
};

/** A `configure` command: the version that it expects, and the values to change. */
export type ConfigureInput = {
  readonly expected_version: number;
  readonly dedupe_window_seconds?: number;
  readonly dedupe_bytes_max?: number;
  readonly rules_version?: number;
};

export function transfersCommand(records: Uint8Array): Command {
  const count = records.byteLength / TRANSFER_BYTES;
  assert(Number.isInteger(count) && count >= 1, 'a batch is whole records, at least one');
  return { kind: CommandKind.transfers, eventCount: count, payload: records };
}

export function accountsCommand(accounts: readonly AccountInput[]): Command {
  assert(accounts.length >= 1, 'at least one account');
  return jsonCommand(CommandKind.accounts, accounts.length, { accounts });
}

export function ledgersCommand(ledgers: readonly LedgerInput[]): Command {
  return jsonCommand(CommandKind.ledgers, 1, { ledgers });
}

export function configureCommand(input: ConfigureInput): Command {
  return jsonCommand(CommandKind.configure, 1, input);
}

export function accountFlagsCommand(input: AccountFlagsInput): Command {
  return jsonCommand(CommandKind.accountFlags, 1, input);
}

/** Added by the sequencer when `nextDeadlineNs` of the state has come. */
export function tickCommand(): Command {
  return jsonCommand(CommandKind.tick, 1, {});
}

function jsonCommand(kind: number, eventCount: number, payload: Json): Command {
  return { kind, eventCount, payload: canonicalBytes(payload) };
}

/** Bytes that the command takes in an entry: frame, payload, padding. */
export function commandBytes(command: Command): number {
  return COMMAND_FRAME_BYTES + ((command.payload.byteLength + 7) & ~7);
}

/** Writes the frame of a command whose payload stands behind it already, or soon will. */
export function writeCommandFrame(target: Uint8Array, offset: number, command: Command): void {
  assert(offset % 8 === 0, 'commands are 8-byte aligned');
  const view = new DataView(target.buffer, target.byteOffset + offset, COMMAND_FRAME_BYTES);
  target.fill(0, offset, offset + COMMAND_FRAME_BYTES);
  view.setUint16(0, command.kind, true);
  view.setUint32(4, command.payload.byteLength, true);
  view.setUint32(8, command.eventCount, true);
}

/** Writes frame and payload at `offset` (8-byte aligned); returns the offset after it. */
export function writeCommand(target: Uint8Array, offset: number, command: Command): number {
  writeCommandFrame(target, offset, command);
  target.set(command.payload, offset + COMMAND_FRAME_BYTES);
  const end = offset + commandBytes(command);
  target.fill(0, offset + COMMAND_FRAME_BYTES + command.payload.byteLength, end);
  return end;
}

/**
 * The commands of an entry's body, in order, as views. The body's digest has been checked, so
 * frames that do not add up are a bug of the writer: an assertion.
 */
export function readCommands(body: Uint8Array, count: number): Command[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const commands: Command[] = [];
  let offset = 0;
  for (let index = 0; index < count; index++) {
    assert(offset + COMMAND_FRAME_BYTES <= body.byteLength, 'a frame lies inside the body');
    const payloadBytes = view.getUint32(offset + 4, true);
    const start = offset + COMMAND_FRAME_BYTES;
    assert(start + payloadBytes <= body.byteLength, 'a payload lies inside the body');
    commands.push({
      kind: view.getUint16(offset, true),
      eventCount: view.getUint32(offset + 8, true),
      payload: body.subarray(start, start + payloadBytes),
    });
    offset = start + ((payloadBytes + 7) & ~7);
  }
  assert(offset === body.byteLength, 'the commands fill the body');
  return commands;
}
