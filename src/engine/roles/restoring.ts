// How a node comes to its state: from the newest checkpoint that is whole and the journal behind
// it; when that one is damaged, or is not of this journal, from an older one; at last from genesis,
// with what was discarded from the journal. It never starts with less than what a checkpoint
// proves to have been acknowledged.

import { isOperationalError } from '../../base/errors.ts';
import { assertBooksBalanceFully, createState } from '../../domain/domain.ts';
import type { NodeHistory } from '../../history/contract.ts';
import type { CheckpointStore } from '../../ports/checkpoint-store.ts';
import type {
  EngineOffset,
  Journal,
  JournalOpenOptions,
  JournalOpening,
} from '../../ports/journal.ts';
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
  /** Opens the journal in place of `journal.open`: may wait for its engine. */
  readonly openJournal?: (options: JournalOpenOptions) => Promise<JournalOpening>;
  /** `read` beside a leader: what another node is writing is not touched. */
  readonly mode: 'read' | 'write';
  /** So many of the newest checkpoints are not used: they may have been taken after a fault. */
  readonly skip?: number;
  /** Digest of what was applied here before, by position: without it a journal lost payments. */
  readonly applied?: ReadonlyMap<number, Uint8Array>;
  /**
   * Nothing here is usable and the journal does not go back to its beginning: gets a checkpoint
   * from elsewhere. False = there is none.
   */
  readonly fetchCheckpoint?: () => Promise<boolean>;
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

/** Opens the journal and brings a replica to its end. */
export async function restoreFromNewest(options: RestoreOptions): Promise<Restored> {
  const tried = new Set<number>();
  const told = new Set<string>();
  const proven = new Map<number, Uint8Array>(options.applied);
  const note = (text: string): void => {
    if (!told.has(text)) options.onNote(text);
    told.add(text);
  };
  let fetch = options.fetchCheckpoint ?? NOTHING;
  for (;;) {
    const restored = await restoreFromStored(options, tried, proven, note);
    if (restored !== undefined) return restored;
    if (tried.size > 0) note('No checkpoint can be used: the journal is read from its beginning.');
    const whole = await replay({ ...options, fetchCheckpoint: fetch }, genesis(options), proven);
    // What was fetched is proved like those that were here; there is no second one.
    if (whole === 'fetched') fetch = NOTHING;
    else if (whole !== 'moved-on') return whole;
  }
}

const NOTHING = (): Promise<boolean> => Promise.resolve(false);

/** Undefined = none of those that are there can be used. */
async function restoreFromStored(
  options: RestoreOptions,
  tried: Set<number>,
  proven: Map<number, Uint8Array>,
  note: (text: string) => void,
): Promise<Restored | undefined> {
  const { store, history, signal } = options;
  if (store === undefined) return undefined;
  for (;;) {
    // Looked at afresh each time: whoever had the journal before may just have taken one.
    const { readable, notes } = await findCheckpoints(store, history);
    for (const text of notes) note(text);
    for (const { head } of readable) proven.set(head.position, head.digest);
    if (tried.size === 0) {
      for (const { head } of readable.slice(0, options.skip ?? 0)) tried.add(head.position);
    }
    const next = readable.find(({ head }) => !tried.has(head.position));
    if (next === undefined) return undefined;
    tried.add(next.head.position);
    const restored = await tryCheckpoint(options, store, next, proven, note);
    if (restored !== undefined) return restored;
    signal.throwIfAborted();
  }
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
    const beginning = { replica, rule, from: manifest.offset, manifest };
    const restored = await replay({ ...options, fetchCheckpoint: NOTHING }, beginning, proven);
    return typeof restored === 'string' ? undefined : restored;
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

/**
 * `fetched` = the journal does not reach back, and a checkpoint was got from elsewhere.
 * `moved-on` = whoever writes has discarded meanwhile what was about to be read: it is to be looked
 * at afresh.
 */
async function replay(
  options: RestoreOptions,
  beginning: Beginning,
  proven: ReadonlyMap<number, Uint8Array>,
): Promise<Restored | 'fetched' | 'moved-on'> {
  const { journal, mode, onProgress, derived, signal } = options;
  const { replica, rule, from, manifest } = beginning;
  const open = options.openJournal ?? ((how: JournalOpenOptions) => journal.open(how));
  const { tornBytes, bounds } = await open({ mode, ...(from === null ? {} : { from }), signal });
  try {
    await options.onOwned();
    if (from === null && bounds.first > 1 && (await options.fetchCheckpoint?.()) === true) {
      await journal.close();
      return 'fetched';
    }
    const recovered = await recover({
      journal,
      rule,
      replica,
      from,
      proven,
      onProgress,
      derived,
      durableOnly: mode === 'read',
      signal,
    });
    assertBooksBalanceFully(replica.state);
    return { replica, rule, recovered, tornBytes, manifest };
  } catch (error) {
    // The next attempt opens it anew.
    await journal.close();
    if (mode === 'read' && from === null && isOperationalError(error, 'JOURNAL_DIVERGED')) {
      if (await beginsBehind(journal, bounds.first, signal)) return 'moved-on';
    }
    throw error;
  }
}

async function beginsBehind(
  journal: Journal,
  position: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { bounds } = await journal.open({ mode: 'read', signal });
  await journal.close();
  return bounds.first > position;
}
