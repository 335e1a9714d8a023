// `holdfast checkpoint verify`: loads every checkpoint of the data folder in this process, which is
// none of the node's: all digests, the counts, the books added up afresh, the totals. Against the
// journal it also replays all of it to the checkpoint's position and compares the two states.
// Nothing is changed.

import { join } from 'node:path';
import { toHex } from '../base/entry.ts';
import { OperationalError, isOperationalError } from '../base/errors.ts';
import type { DomainState } from '../domain/domain.ts';
import { HASH_KEY_BYTES, seedIdHashes } from '../domain/ledger/id-hash.ts';
import { counts } from '../domain/queries.ts';
import { createCheckpointStore } from '../drivers/file/checkpoint-store.ts';
import type { JournalSettings } from '../main.ts';
import type { Journal, StoredEntry } from '../ports/journal.ts';
import type { ReadManifest } from '../recovery/checkpoint-codec.ts';
import { createEncryptedStore } from '../recovery/encrypted-store.ts';
import { findCheckpoints, loadCheckpoint, reasonOf } from '../recovery/load-checkpoint.ts';
import { imageDigest } from '../recovery/image-digest.ts';
import { ReaderRule } from '../recovery/reader-rule.ts';
import { Replica } from '../recovery/replica.ts';
import { ExitCode } from './exit-codes.ts';
import { CliFailure } from './failure.ts';
import { clusterIdBeside } from './journal-folder.ts';
import { openJournal } from './journal-source.ts';
import { type Output, instant } from './output.ts';

type Verdict = {
  readonly position: number;
  readonly read: ReadManifest;
  /** Why it cannot be used; undefined = it is whole. */
  readonly fault: string | undefined;
  readonly accounts: number;
  /** Of the canonical image; only when it is compared with the journal. */
  readonly image: string | undefined;
};

export type VerifyOptions = {
  readonly output: Output;
  readonly journal: JournalSettings;
  /** Whose checkpoints they are: the data folder itself, or `nodes/<name>` in it. */
  readonly nodeFolder: string;
  /** Of encrypted checkpoints. */
  readonly key: Uint8Array | undefined;
  readonly againstJournal: boolean;
};

export async function verifyCheckpoints(options: VerifyOptions): Promise<number> {
  const { output, journal, nodeFolder, key, againstJournal } = options;
  seedIdHashes(crypto.getRandomValues(new Uint8Array(HASH_KEY_BYTES)));
  const files = createCheckpointStore({ directory: join(nodeFolder, 'checkpoints') });
  const store = key === undefined ? files : createEncryptedStore(files, key);
  const { readable, notes } = await findCheckpoints(store);
  const cluster = await clusterIdBeside(journal.journalFolder);
  const verdicts: Verdict[] = [];
  for (const read of readable) verdicts.push(await verdictOf(read, cluster));
  const compared = againstJournal ? await compare(journal, verdicts) : verdicts;
  show(output, compared, notes);
  const faults = [...notes, ...compared.flatMap(({ fault }) => (fault === undefined ? [] : fault))];
  if (compared.length === 0 && notes.length === 0) throw nothingThere(nodeFolder);
  if (faults.length === 0) return ExitCode.ok;
  throw new CliFailure({
    exitCode: ExitCode.failed,
    code: 'checkpoint_corrupt',
    message: faults.join(' '),
    money: 'Nothing was changed. The journal decides; a start takes an older checkpoint, or it.',
    action: 'Verify the journal too, find the cause (disk, memory), then take a new checkpoint.',
  });

  async function verdictOf(read: ReadManifest, own: string | undefined): Promise<Verdict> {
    const { position } = read.head;
    try {
      const found = toHex(read.head.clusterId);
      if (own !== undefined && own !== found) {
        throw new OperationalError('CHECKPOINT_CORRUPT', { detail: `It is of cluster ${found}.` });
      }
      const state = await loadCheckpoint(store, read, new AbortController().signal);
      const image = againstJournal ? imageDigest(state) : undefined;
      return { position, read, fault: undefined, accounts: counts(state).accounts, image };
    } catch (error) {
      const fault = `The checkpoint of position ${position}: ${reasonOf(error)}.`;
      return { position, read, fault, accounts: 0, image: undefined };
    }
  }
}

/** One replay for all of them; the digest of the image is taken at each position. */
async function compare(
  settings: JournalSettings,
  verdicts: readonly Verdict[],
): Promise<Verdict[]> {
  const wanted = new Set(verdicts.map(({ position }) => position));
  const last = Math.max(0, ...wanted);
  const images = new Map<number, string>();
  const signal = new AbortController().signal;
  let fault: string | undefined;
  let journal: Journal | undefined;
  try {
    journal = await openJournal(settings);
    for await (const { state, position } of replayed(journal, signal)) {
      if (wanted.has(position)) images.set(position, imageDigest(state));
      if (position >= last) break;
    }
  } catch (error) {
    if (!isOperationalError(error)) throw error;
    fault = reasonOf(error);
  } finally {
    await journal?.close();
  }
  return verdicts.map((verdict) => {
    if (verdict.fault !== undefined || images.get(verdict.position) === verdict.image) {
      return verdict;
    }
    const why = images.has(verdict.position)
      ? 'a replay of the journal comes to another state'
      : `the journal cannot be replayed that far${fault === undefined ? '' : ` (${fault})`}`;
    return { ...verdict, fault: `The checkpoint of position ${verdict.position}: ${why}.` };
  });
}

/** The state after each entry, from genesis on. */
async function* replayed(
  journal: Journal,
  signal: AbortSignal,
): AsyncGenerator<{ readonly state: DomainState; readonly position: number }> {
  const rule = new ReaderRule({ kind: 'genesis' });
  const replica = new Replica();
  for await (const batch of allBatches(journal, signal)) {
    for (const stored of batch) {
      if (rule.decide(stored).kind === 'void') continue;
      replica.apply(stored.entry);
      yield { state: replica.state, position: replica.position };
    }
  }
}

async function* allBatches(
  journal: Journal,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredEntry[]> {
  if (journal.bounds().first > 1) yield* journal.readDiscarded(signal);
  yield* journal.read({ from: null, follow: false, signal });
}

function show(output: Output, verdicts: readonly Verdict[], notes: readonly string[]): void {
  if (output.isJson) {
    output.json({
      checkpoints: verdicts.map(({ position, read, fault, accounts, image }) => ({
        position,
        created: instant(BigInt(read.manifest.createdMs) * 1_000_000n),
        release: read.manifest.release,
        accounts,
        transfers_accepted: read.manifest.transfersAccepted,
        verdict: fault === undefined ? 'whole' : 'broken',
        fault: fault ?? null,
        image: image ?? null,
      })),
      notes,
    });
    return;
  }
  if (verdicts.length === 0) return;
  output.table(
    [{ title: 'position', isNumber: true }, { title: 'taken' }, { title: 'verdict' }],
    verdicts.map(({ position, read, fault }) => [
      String(position),
      instant(BigInt(read.manifest.createdMs) * 1_000_000n),
      fault === undefined ? 'whole' : 'BROKEN',
    ]),
  );
}

function nothingThere(folder: string): CliFailure {
  return new CliFailure({
    exitCode: ExitCode.notFound,
    code: 'checkpoint_not_found',
    message: `There is no checkpoint in ${join(folder, 'checkpoints')}.`,
    money: 'Nothing was read or changed.',
    action: 'Name the data folder with --data, or take one: holdfast checkpoint take.',
  });
}
