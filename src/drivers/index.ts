// The explicit table of drivers: name -> lazy import. Nothing registers itself, and an engine's
// client library is loaded only where that engine is used.

import type { CheckpointStore } from '../ports/checkpoint-store.ts';
import type { Coordinator } from '../ports/coordinator.ts';
import type { Journal } from '../ports/journal.ts';
import type { EngineJournalOptions } from './engine-options.ts';
import type { FileCheckpointOptions } from './file/checkpoint-store.ts';
import type { FileJournalOptions } from './file/options.ts';
import type { MemoryCheckpointOptions } from './memory/checkpoint-store.ts';
import type { ViewSchema, ViewStore } from '../ports/view-store.ts';
import type { SqliteViewOptions } from './sqlite/options.ts';
import type { LocalOptions } from './local/options.ts';
import type { MemoryJournalOptions } from './memory/options.ts';
import type { ZooKeeperOptions } from './zookeeper/options.ts';

/** Options by driver name. */
export type JournalDriverOptions = {
  readonly memory: MemoryJournalOptions;
  readonly file: FileJournalOptions;
};
export type JournalDriverName = keyof JournalDriverOptions;

type JournalDrivers = {
  readonly [Name in JournalDriverName]: () => Promise<
    (options: JournalDriverOptions[Name]) => Journal
  >;
};

export const JOURNAL_DRIVERS: JournalDrivers = {
  memory: async () => (await import('./memory/driver.ts')).createJournal,
  file: async () => (await import('./file/driver.ts')).createJournal,
};

type EngineJournal = () => Promise<(options: EngineJournalOptions) => Journal>;

/** Journals on engines, by the engine's name in the setting (config/journal-place.ts). */
export const ENGINE_JOURNALS: Readonly<Record<string, EngineJournal>> = {
  kafka: async () => (await import('./kafka/driver.ts')).createJournal,
  mysql: async () => (await import('./mysql/driver.ts')).createJournal,
  postgres: async () => (await import('./postgres/driver.ts')).createJournal,
  rabbitmq: async () => (await import('./rabbitmq/driver.ts')).createJournal,
};

/** Options by driver name. */
export type CheckpointDriverOptions = {
  readonly memory: MemoryCheckpointOptions;
  readonly file: FileCheckpointOptions;
};
export type CheckpointDriverName = keyof CheckpointDriverOptions;

type CheckpointDrivers = {
  readonly [Name in CheckpointDriverName]: () => Promise<
    (options: CheckpointDriverOptions[Name]) => CheckpointStore
  >;
};

export const CHECKPOINT_DRIVERS: CheckpointDrivers = {
  memory: async () => (await import('./memory/checkpoint-store.ts')).createCheckpointStore,
  file: async () => (await import('./file/checkpoint-store.ts')).createCheckpointStore,
};

export type CoordinatorDriverOptions = {
  readonly local: LocalOptions;
  readonly zookeeper: ZooKeeperOptions;
};
export type CoordinatorDriverName = keyof CoordinatorDriverOptions;

type CoordinatorDrivers = {
  readonly [Name in CoordinatorDriverName]: () => Promise<
    (options: CoordinatorDriverOptions[Name]) => Coordinator
  >;
};

export const COORDINATOR_DRIVERS: CoordinatorDrivers = {
  local: async () => (await import('./local/driver.ts')).createCoordinator,
  zookeeper: async () => (await import('./zookeeper/driver.ts')).createCoordinator,
};

/** Options by driver name. */
export type ViewDriverOptions = {
  readonly sqlite: SqliteViewOptions;
};
export type ViewDriverName = keyof ViewDriverOptions;

type ViewDrivers = {
  readonly [Name in ViewDriverName]: () => Promise<
    (schema: ViewSchema, options: ViewDriverOptions[Name]) => ViewStore
  >;
};

export const VIEW_DRIVERS: ViewDrivers = {
  sqlite: async () => (await import('./sqlite/driver.ts')).createViewStore,
};
