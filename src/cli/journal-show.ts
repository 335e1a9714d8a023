// `holdfast journal show`: what stands in the journal, entry by entry, in words. Files are read
// directly, an engine through its driver; a finding (torn or corrupt) is shown where it stands.

import { type Entry, EntryKind, entryBody, entryKindName, toHex } from '../base/entry.ts';
import { formatId } from '../base/ids.ts';
import { type Transfer, decodeTransfers } from '../base/transfer-record.ts';
import { TRANSFER_FLAG_NAMES, flagNames } from '../client/wire.ts';
import { type Command, CommandKind, readCommands } from '../domain/commands.ts';
import type { InspectionItem } from '../drivers/file/inspect.ts';
import { ExitCode } from './exit-codes.ts';
import type { JournalSource } from './journal-source.ts';
import { type Output, instant } from './output.ts';

type Finding = Extract<InspectionItem, { readonly kind: 'finding' }>;

export type ShowOptions = {
  readonly output: Output;
  readonly source: JournalSource;
  readonly from: number;
  readonly limit: number;
};

/** For people an entry shows so many transfers; `--json` has all. */
const TRANSFERS_SHOWN_MAX = 20;

export async function showJournal(options: ShowOptions): Promise<number> {
  const { output, source, from, limit } = options;
  let shown = 0;
  let isCorrupt = false;
  for await (const item of source.items()) {
    if (item.kind === 'finding') {
      isCorrupt ||= item.severity === 'corrupt';
      showFinding(output, item);
    } else if (item.kind === 'entry' && item.entry.position >= from) {
      if (shown === limit) {
        output.note(`more follows: --from ${item.entry.position}`);
        break;
      }
      shown++;
      if (output.isJson) output.json({ ...entryJson(item.entry), offset: item.offset });
      else showEntry(output, item.entry);
    }
  }
  return isCorrupt ? ExitCode.failed : ExitCode.ok;
}

function showFinding(output: Output, finding: Finding): void {
  const { severity, path, byteOffset, position, found, wayOut } = finding;
  if (output.isJson) {
    const place = { file: path, byte_offset: byteOffset, position };
    output.json({ finding: severity, ...place, found, way_out: wayOut });
  } else {
    output.line(
      `${severity}: ${path}, byte ${byteOffset}, position ${position}: ${found}. ${wayOut}`,
    );
  }
}

function showEntry(output: Output, entry: Entry): void {
  const { position, epoch, timeNs, kind, durable, outcomePosition } = entry;
  output.line(
    `${position}  epoch ${epoch}  ${instant(timeNs)}  ${kindName(kind)}  ` +
      output.dim(`digest ${short(entry.digest)} after ${short(entry.previousDigest)}`),
  );
  const outcome =
    outcomePosition === 0 ? 'none' : `${short(entry.outcomeDigest)} at ${outcomePosition}`;
  output.line(output.dim(`    durable ${durable}, outcomes ${outcome}`));
  if (kind !== EntryKind.commands) {
    output.line(`    ${bodyText(entry)}`);
    return;
  }
  for (const command of readCommands(entryBody(entry), entry.commandCount)) {
    for (const line of commandLines(command)) output.line(`    ${line}`);
  }
}

function commandLines(command: Command): string[] {
  const name = commandName(command.kind);
  if (command.kind !== CommandKind.transfers) {
    return [`${name} ${new TextDecoder().decode(command.payload)}`];
  }
  const transfers = decodeTransfers(command.payload);
  const more = transfers.length - TRANSFERS_SHOWN_MAX;
  return [
    `${name}: ${transfers.length}`,
    ...transfers.slice(0, TRANSFERS_SHOWN_MAX).map(transferLine),
    ...(more > 0 ? [`  and ${more} more (--json shows all)`] : []),
  ];
}

function transferLine(transfer: Transfer): string {
  const flags = flagNames(transfer.flags, TRANSFER_FLAG_NAMES);
  const debit = formatId('account', transfer.debitAccountId);
  const credit = formatId('account', transfer.creditAccountId);
  const hold = transfer.pendingId === 0n ? '' : ` of ${formatId('transfer', transfer.pendingId)}`;
  return (
    `  ${formatId('transfer', transfer.id)}  ${debit} -> ${credit}  ${transfer.amount} minor units of ledger ` +
    `${transfer.ledger}, code ${transfer.code}${flags.length === 0 ? '' : `, ${flags.join(' ')}`}${hold}`
  );
}

function entryJson(entry: Entry): Readonly<Record<string, unknown>> {
  return {
    position: entry.position,
    epoch: entry.epoch,
    time_ns: String(entry.timeNs),
    time: instant(entry.timeNs),
    kind: kindName(entry.kind),
    cluster_id: toHex(entry.clusterId),
    timeline: entry.timeline,
    durable: entry.durable,
    rules_version: entry.rulesVersion,
    digest: toHex(entry.digest),
    previous_digest: toHex(entry.previousDigest),
    outcome_position: entry.outcomePosition,
    outcome_digest: toHex(entry.outcomeDigest),
    ...(entry.kind === EntryKind.commands
      ? { commands: readCommands(entryBody(entry), entry.commandCount).map(commandJson) }
      : { body: JSON.parse(bodyText(entry)) as unknown }),
  };
}

function commandJson(command: Command): Readonly<Record<string, unknown>> {
  const name = commandName(command.kind);
  if (command.kind === CommandKind.transfers) {
    return { kind: name, transfers: decodeTransfers(command.payload).map(recordJson) };
  }
  return { kind: name, payload: JSON.parse(new TextDecoder().decode(command.payload)) as unknown };
}

function recordJson(transfer: Transfer): Readonly<Record<string, unknown>> {
  return {
    id: formatId('transfer', transfer.id),
    debit_account_id: formatId('account', transfer.debitAccountId),
    credit_account_id: formatId('account', transfer.creditAccountId),
    amount: String(transfer.amount),
    pending_id: transfer.pendingId === 0n ? null : formatId('transfer', transfer.pendingId),
    user_data_128: transfer.userData128.toString(16).padStart(32, '0'),
    user_data_64: String(transfer.userData64),
    user_data_32: transfer.userData32,
    timeout_seconds: transfer.timeoutSeconds,
    ledger: transfer.ledger,
    code: transfer.code,
    flags: flagNames(transfer.flags, TRANSFER_FLAG_NAMES),
    ...(transfer.timestampNs !== 0n && { timestamp_ns: String(transfer.timestampNs) }),
  };
}

/** Bodies are padded with zeros to a multiple of 8. */
function bodyText(entry: Entry): string {
  const text = new TextDecoder().decode(entryBody(entry)).replace(/\0+$/, '');
  return text === '' ? 'null' : text;
}

function commandName(kind: number): string {
  const found = Object.entries(CommandKind).find(([, value]) => value === kind);
  return found?.[0] ?? `unknown kind ${kind}`;
}

function kindName(kind: number): string {
  return entryKindName(kind) ?? `unknown kind ${kind}`;
}

function short(digest: Uint8Array): string {
  return toHex(digest.subarray(0, 8));
}
