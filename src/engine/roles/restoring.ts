// How a node comes to its state: from the newest checkpoint that is whole and the journal behind
// it; when that one is damaged, or is not of this journal, from an older one; at last from genesis,
// with what was discarded from the journal. It never starts with less than what a checkpoint
// proves to have been acknowledged.

import { isOperationalError } from '../../base/errors.ts';
import { assertBooksBalanceFully, createState } from '../../domain/domain.ts';
import type { NodeHistory } from '../../history/contract.ts';
import type { CheckpointStore } from '../../ports/checkpoint-store.ts';
import type { EngineOffset, Journal } from '../../ports/journal.ts';
import type { Manifest, ReadManifest } from '../../recovery/checkpoint-codec.ts';
import {
  type OwnHistory,
  findCheckpoints,
  loadCheckpoint,
  reasonOf,
} from '../../recovery/load-checkpoint.ts';
import { ReaderRule } from '../../recovery/reader-rule.ts';
import { type CommandListener, Replica } from '../../recovery/replica.ts';
import { type Recovered, recover } from './recovering.ts';

export type RestoreOptions = {
  readonly journal: Journal;
  readonly store: CheckpointStore | undefined;
  readonly history: OwnHistory;
  readonly onCommand: CommandListener | undefined;
  /** Fed by the replica; a replay is not faster than it. */
  readonly derived: Pick<NodeHistory, 'hasRoom' | 'untilRoom' | 'doubt'>;
  /** The journal is ours: nobody else writes to the data folder now. Each time it is opened. */
  readonly onOwned: () => Promise<void>;
  /** Sentences for people: which checkpoint, and what was wrong with others. */
  readonly onNote: (text: string) => void;
  readonly onProgress: (position: number) => void;
  readonly signal: AbortSignal;
};

export type Restored = {
  readonly replica: Replica;
  readonly rule: ReaderRule;
  readonly recovered: Recovered;
  readonly tornBytes: number;
  /** The checkpoint that it began with; undefined = genesis. */
  readonly manifest: Manifest | undefined;
};

type Beginning = {
  readonly replica: Replica;
  readonly rule: ReaderRule;
  readonly from: EngineOffset | null;
  readonly manifest: Manifest | undefined;
};

/** Opens the journal for writing and brings a replica to its end. */
export async function restoreFromNewest(options: RestoreOptions): Promise<Restored> {
  const { store, history, onNote, signal } = options;
  const tried = new Set<number>();
  const told = new Set<string>();
  const proven = new Map<number, Uint8Array>();
  const note = (text: string): void => {
    if (!told.has(text)) onNote(text);
    told.add(text);
  };
  for (;;) {
    if (store === undefined) break;
    // Looked at afresh each time: whoever had the journal before may just have taken one.
    const { readable, notes } = await findCheckpoints(store, history);
    for (const text of notes) note(text);
    for (const { head } of readable) proven.set(head.position, head.digest);
    const next = readable.find(({ head }) => !tried.has(head.position));
    if (next === undefined) break;
    tried.add(next.head.position);
    const restored = await tryCheckpoint(options, store, next, proven, note);
    if (restored !== undefined) return restored;
    signal.throwIfAborted();
  }
  if (tried.size > 0) note('No checkpoint can be used: the journal is read from its beginning.');
  return await replay(options, genesis(options), proven);
}

function genesis({ history, onCommand }: RestoreOptions): Beginning {
  const rule = new ReaderRule({ kind: 'genesis', ...history });
  return { replica: new Replica(createState(), onCommand), rule, from: null, manifest: undefined };
}

async function tryCheckpoint(
  options: RestoreOptions,
  store: CheckpointStore,
  read: ReadManifest,
  proven: ReadonlyMap<number, Uint8Array>,
  note: (text: string) => void,
): Promise<Restored | undefined> {
  const { manifest, head } = read;
  let replica: Replica | undefined;
  try {
    const state = await loadCheckpoint(store, read, options.signal);
    replica = Replica.at(manifest.place, state, options.onCommand);
    const rule = new ReaderRule({ kind: 'at-head', head });
    const restored = await replay(
      options,
      { replica, rule, from: manifest.offset, manifest },
      proven,
    );
    return restored;
  } catch (error) {
    const isOfCheckpoint =
      isOperationalError(error, 'CHECKPOINT_CORRUPT') ||
      isOperationalError(error, 'JOURNAL_DIVERGED');
    if (!isOfCheckpoint) throw error;
    note(`The checkpoint of position ${head.position} cannot be used: ${reasonOf(error)}.`);
    // What was applied on top of it may not be what the journal means.
    if (replica !== undefined && replica.position > head.position) {
      options.derived.doubt(
        `it was fed from the checkpoint of ${head.position}, which was given up`,
      );
    }
    return undefined;
  }
}

async function replay(
  options: RestoreOptions,
  beginning: Beginning,
  proven: ReadonlyMap<number, Uint8Array>,
): Promise<Restored> {
  const { journal, onProgress, derived, signal } = options;
  const { replica, rule, from, manifest } = beginning;
  const { tornBytes } = await journal.open({
    mode: 'write',
    ...(from === null ? {} : { from }),
    signal,
  });
  try {
    await options.onOwned();
    const recovered = await recover({
      journal,
      rule,
      replica,
      from,
      proven,
      onProgress,
      derived,
      signal,
    });
    assertBooksBalanceFully(replica.state);
    return { replica, rule, recovered, tornBytes, manifest };
  } catch (error) {
    // The next attempt opens it anew.
    await journal.close();
    throw error;
  }
}
