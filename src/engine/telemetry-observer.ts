// The engine's observer in production: log lines for what is rare, metrics for what is frequent.

import { type OperationalError, isOperationalError } from '../base/errors.ts';
import { CommandKind } from '../domain/commands.ts';
import { CREATED, REFUSAL } from '../domain/refusals.ts';
import { counts } from '../domain/queries.ts';
import type { JournalHealth } from '../ports/journal.ts';
import type { Logger } from '../telemetry/log.ts';
import { type GaugeReading, Metrics } from '../telemetry/metrics.ts';
import type { Engine, NodeRole } from './contract.ts';
import type { EngineObserver, RoleChange } from './observer.ts';
import type { AppliedEntry } from './publisher.ts';

const ROLES: readonly NodeRole[] = [
  'starting',
  'recovering',
  'following',
  'leading',
  'draining',
  'halted',
  'stopped',
];

type JournalPlaceState = JournalHealth['places'][number]['state'];

/** What the history counts since the process started. */
export type HistoryFigures = {
  readonly queries: number;
  readonly finds: number;
  readonly sealed: number;
  readonly sealSeconds: number;
  readonly waitSeconds: number;
  readonly lost: number;
};

/** While replaying, one log line for so many entries. */
const REPLAY_LOG_ENTRIES = 100_000;

/** `engine` is asked when a scraper comes, so it may be made after the metrics. */
export function createNodeMetrics(
  engine: () => Engine,
  release: string,
  history: HistoryFigures,
  journalHealth: () => JournalHealth | undefined = () => undefined,
  more: readonly GaugeReading[] = [],
): Metrics {
  const placesIn = (state: JournalPlaceState): number =>
    journalHealth()?.places.filter((place) => place.state === state).length ?? 0;
  const gauge = (name: string, help: string, read: (engine: Engine) => number) => ({
    name: `holdfast_${name}`,
    help,
    read: () => readOrZero(() => read(engine())),
  });
  return new Metrics({
    release,
    roles: ROLES,
    role: () => engine().status().role,
    gauges: [
      gauge('journal_position', 'Last applied position.', (e) => e.status().position),
      gauge('journal_epoch', 'Epoch of the leader.', (e) => e.status().epoch),
      gauge('history_position', 'Last position that the history has read.', (e) => {
        return e.history.status().position;
      }),
      gauge('journal_torn_bytes', 'Bytes of a torn tail cut at this start.', (e) => {
        return e.status().tornBytesCut;
      }),
      gauge('journal_directories_active', 'Directories that hold all of the journal.', () =>
        placesIn('active'),
      ),
      gauge(
        'journal_directories_dropped',
        'Directories of the journal that failed or were left out; more than 0 is an alarm.',
        () => placesIn('dropped'),
      ),
      ...journalGauges(gauge),
      gauge('queue_commands', 'Commands that wait to be numbered.', (e) => {
        return e.status().queuedCommands;
      }),
      gauge('queue_bytes', 'Bytes of commands that wait to be numbered.', (e) => {
        return e.status().queuedBytes;
      }),
      gauge(
        'impeded',
        '1 while new payments cannot be taken (disk full, clock), otherwise 0.',
        (e) => (e.status().impediment === undefined ? 0 : 1),
      ),
      gauge('accounts', 'Accounts.', (e) => counts(e.state).accounts),
      gauge('holds', 'Holds that are not resolved.', (e) => counts(e.state).holds),
      gauge('remembered_transfers', 'Transfer ids remembered.', (e) => counts(e.state).remembered),
      gauge('remembered_transfers_capacity', 'Transfer ids that can be remembered.', (e) => {
        return counts(e.state).rememberedCapacity;
      }),
      gauge(
        'remembered_from_timestamp_seconds',
        'Ids whose time lies before this are answered id_expired.',
        (e) => counts(e.state).edgeSeconds,
      ),
      ...historyGauges(gauge, history),
      ...more,
    ],
  });
}

type MakeGauge = (
  name: string,
  help: string,
  read: (engine: Engine) => number,
) => { readonly name: string; readonly help: string; readonly read: () => number };

function journalGauges(gauge: MakeGauge): ReturnType<MakeGauge>[] {
  return [
    gauge('journal_up', '1 while the engine of the journal answers this node.', (e) => {
      return e.status().journal.error === undefined ? 1 : 0;
    }),
    gauge('journal_unavailable_seconds_total', 'How long it did not, since start.', (e) => {
      return e.status().journal.awaySecondsTotal;
    }),
    gauge('journal_outages_total', 'How often it began not to, since start.', (e) => {
      return e.status().journal.outages;
    }),
  ];
}

function historyGauges(gauge: MakeGauge, history: HistoryFigures): ReturnType<MakeGauge>[] {
  return [
    gauge('history_complete', '1 while the history can answer everything.', (e) => {
      return e.history.status().complete ? 1 : 0;
    }),
    gauge('history_transfers', 'Transfers in the history.', (e) => {
      return e.history.status().transfers;
    }),
    gauge('history_runs', 'Immutable files of the history.', (e) => e.history.status().runs),
    gauge('history_bytes', 'Bytes of the history on disk.', (e) => e.history.status().bytes),
    gauge('history_queries_total', 'Questions to the history since start.', () => history.queries),
    gauge(
      'history_finds_total',
      'Transfers looked up by id in it since start.',
      () => history.finds,
    ),
    gauge('history_runs_written_total', 'Files of it written since start.', () => history.sealed),
    gauge('history_write_seconds_total', 'Time that writing them took, together.', () => {
      return history.sealSeconds;
    }),
    gauge('history_wait_seconds_total', 'Time that payments waited for room in its memory.', () => {
      return history.waitSeconds;
    }),
    gauge('history_tails_lost_total', 'How often its tail was given up, to be read again.', () => {
      return history.lost;
    }),
  ];
}

/** Gauges of the books are 0 while there are none to read (recovering, halted). */
function readOrZero(read: () => number): number {
  try {
    return read();
  } catch (error) {
    if (isOperationalError(error, 'NOT_READY')) return 0;
    throw error;
  }
}

export function createTelemetryObserver(logger: Logger, metrics: Metrics): EngineObserver {
  let loggedPosition = 0;
  return {
    roleChanged(change: RoleChange): void {
      metrics.roleChanged(change.to);
      const fields = { event: 'role_changed', ...change };
      if (change.to === 'halted') logger.fatal(fields, `halted: ${change.reason}`);
      else logger.info(fields, `${change.from} -> ${change.to}: ${change.reason}`);
    },
    tookOver({ epoch, lockMs, restMs, openingMs }): void {
      const rounded = [lockMs, restMs, openingMs].map((ms) => Math.round(ms * 10) / 10);
      const [lock_ms, rest_ms, opening_ms] = rounded;
      const fields = { event: 'took_over', epoch, lock_ms, rest_ms, opening_ms };
      const steps = `journal ${lock_ms} ms, rest of it ${rest_ms} ms, opening ${opening_ms} ms`;
      logger.info(fields, `took over, epoch ${epoch}: ${steps}`);
    },
    appended: (entryBytes, commandCount, durationMs) =>
      metrics.appended(entryBytes, commandCount, durationMs),
    applied: (applied) => countTransfers(applied, metrics),
    impeded(error: OperationalError | undefined): void {
      if (error === undefined)
        logger.info({ event: 'impediment_gone' }, 'payments are taken again');
      else logger.error({ event: 'impeded', code: error.code }, error.message);
    },
    journalAway(error: OperationalError | undefined, awaySeconds: number): void {
      const seconds = Math.round(awaySeconds * 1000) / 1000;
      if (error === undefined) {
        logger.info({ event: 'journal_back', seconds }, `the journal is back after ${seconds} s`);
      } else if (error.code === 'JOURNAL_UNSAFE') {
        logger.error({ event: 'journal_unsafe', code: error.code }, error.message);
      } else {
        logger.warn({ event: 'journal_unavailable', code: error.code }, error.message);
      }
    },
    replayed(position: number): void {
      if (position - loggedPosition < REPLAY_LOG_ENTRIES) return;
      loggedPosition = position;
      logger.info({ event: 'replaying', position }, `replayed through position ${position}`);
    },
  };
}

function countTransfers(applied: AppliedEntry, metrics: Metrics): void {
  let created = 0;
  let exists = 0;
  let total = 0;
  for (const outcome of applied.outcomes) {
    if (outcome.kind !== CommandKind.transfers) continue;
    const { codes } = outcome;
    total += codes.length;
    for (let index = 0; index < codes.length; index++) {
      const code = codes[index];
      if (code === CREATED) created++;
      else if (code === REFUSAL.exists) exists++;
    }
  }
  if (total > 0) metrics.transfersAnswered({ created, exists, refused: total - created - exists });
}
