// What the checker is given besides the clients' own record: the final reads over the public API,
// and the journal itself, read offline after the node has stopped.

import { join } from 'node:path';
import { AccountFlag } from '../../src/base/account.ts';
import { type Entry, EntryKind, entryBody } from '../../src/base/entry.ts';
import { formatId } from '../../src/base/ids.ts';
import { LOOKUP_IDS_MAX } from '../../src/base/limits.ts';
import type { Prng } from '../../src/base/prng.ts';
import { newAccountJson, readAccount, readList, readTransfer } from '../../src/client/wire.ts';
import { readCommands } from '../../src/domain/commands.ts';
import { CREATED } from '../../src/domain/refusals.ts';
import { inspectJournal } from '../../src/drivers/file/inspect.ts';
import type {
  FinalReads,
  FinalTransfer,
  History,
  JournalCommand,
  Operation,
} from '../model/history.ts';
import { readLists } from './lists.ts';
import { type Recorder, accountText } from './recorder.ts';
import { ACCOUNT_IDS, LEDGER } from './workload.ts';

export type Source = Pick<Recorder, 'attempts' | 'setUp' | 'call'>;

/** Opens the accounts: every fourth may not be debited beyond what it has. */
export async function openBooks(recorder: Source, random: Prng): Promise<void> {
  const accounts = ACCOUNT_IDS.map((id, index) => ({
    id,
    ledger: LEDGER,
    code: 1 + random.below(9),
    flags: index % 4 === 0 ? AccountFlag.debitsMustNotExceedCredits : 0,
  }));
  const invokedAtMs = performance.now();
  const body = JSON.stringify({ accounts: accounts.map(newAccountJson) });
  const { status, value } = await recorder.call('POST', '/v1/accounts/batch', body);
  const results = value['results'] as readonly { readonly status: string }[] | undefined;
  if (status !== 200 || results?.some((result) => result.status !== 'created') !== false) {
    throw new Error(`accounts were not opened: ${JSON.stringify(value)}`);
  }
  recorder.setUp.push({
    accounts: accounts.map((account) => ({
      ...account,
      id: account.id.toString(16).padStart(32, '0'),
      user_data_128: '0'.repeat(32),
      user_data_64: '0',
      user_data_32: 0,
    })),
    invokedAtMs,
    completedAtMs: performance.now(),
    position: Number(value['position']),
  });
}

export async function readHistory(options: {
  readonly recorder: Source;
  /** Of the journal that carry commands, in order; asked for when the nodes have ended. */
  readonly entries: () => AsyncIterable<Entry>;
  readonly binaryUrl: string | readonly string[];
  readonly key: string;
  /** Ends the node gracefully; called when the final reads are done. */
  readonly stop: () => Promise<void>;
}): Promise<History> {
  const { recorder, entries, binaryUrl, key } = options;
  const operations = recorder.attempts.map(
    (attempt, index): Operation => ({
      label: `attempt ${index}`,
      invokedAtMs: attempt.invokedAtMs,
      completedAtMs: attempt.completedAtMs,
      request: attempt.request,
      answer: attempt.answer,
    }),
  );
  const setUp = recorder.setUp.map(
    ({ accounts, invokedAtMs, completedAtMs, position }): Operation => ({
      label: 'opening the accounts',
      invokedAtMs,
      completedAtMs,
      request: { kind: 'accounts', accounts },
      answer: { kind: 'answered', codes: accounts.map(() => CREATED), position },
    }),
  );
  const pages = await readLists(binaryUrl, key);
  const final = { ...(await readFinal(recorder)), pages };
  await options.stop();
  return { operations: [...setUp, ...operations], final, journal: await readJournal(entries()) };
}

async function readFinal(recorder: Source): Promise<FinalReads> {
  const ids = new Set<bigint>();
  for (const attempt of recorder.attempts) {
    if (attempt.request.kind !== 'transfers') continue;
    for (const transfer of attempt.request.transfers) ids.add(transfer.id);
  }
  const transfers = new Map<bigint, FinalTransfer>();
  const list = [...ids];
  for (let start = 0; start < list.length; start += LOOKUP_IDS_MAX) {
    const part = list.slice(start, start + LOOKUP_IDS_MAX);
    for (const id of part) transfers.set(id, { state: 'absent' });
    const texts = part.map((id) => formatId('transfer', id));
    for (const transfer of await lookup(recorder, 'transfers', texts, readTransfer)) {
      const { timestampNs, hold } = transfer;
      transfers.set(
        transfer.id,
        transfer.state === 'failed'
          ? { state: 'failed' }
          : { state: 'accepted', timestampNs, hold },
      );
    }
  }
  const accountIds = ACCOUNT_IDS.map(accountText);
  return { accounts: await lookup(recorder, 'accounts', accountIds, readAccount), transfers };
}

async function lookup<T>(
  recorder: Source,
  kind: 'accounts' | 'transfers',
  ids: readonly string[],
  read: (value: unknown) => T,
): Promise<T[]> {
  const { status, value } = await recorder.call(
    'POST',
    `/v1/${kind}/lookup`,
    JSON.stringify({ ids }),
  );
  if (status !== 200) throw new Error(`lookup failed: ${status} ${JSON.stringify(value)}`);
  return readList(value, kind, read);
}

/** Of a journal in files, what was discarded included. */
export async function* entriesOfFiles(folder: string): AsyncGenerator<Entry> {
  for await (const item of inspectJournal(join(folder, 'journal'))) {
    if (item.kind === 'finding') throw new Error(`${item.severity}: ${item.path} ${item.found}`);
    if (item.kind === 'entry' && item.entry.kind === EntryKind.commands) yield item.entry;
  }
}

async function readJournal(entries: AsyncIterable<Entry>): Promise<JournalCommand[]> {
  const commands: JournalCommand[] = [];
  for await (const entry of entries) {
    let timeNs = entry.timeNs;
    for (const command of readCommands(entryBody(entry), entry.commandCount)) {
      const { position, rulesVersion } = entry;
      commands.push({ position, timeNs, rulesVersion, command });
      timeNs += BigInt(command.eventCount);
    }
  }
  return commands;
}
