// Three nodes as processes, as `npm start` runs them, whose journal is where the caller says: for
// tests with a real engine.

import { DemoCluster } from '../../examples/demo/cluster.ts';

export type JournalAt = {
  /** As in HOLDFAST_JOURNAL. */
  readonly place: string;
  readonly passwordFile?: string;
  /** Names of checks of the engine's settings that may fail. */
  readonly waived?: readonly string[];
};

/** `folder`: the data folder that they share; empty, or of an earlier start. */
export function clusterOn(folder: string, at: JournalAt, nodes = 3): DemoCluster {
  const { place, passwordFile = '', waived = [] } = at;
  const settings = {
    HOLDFAST_MEMORY_AHEAD: 'none',
    HOLDFAST_JOURNAL: place,
    HOLDFAST_JOURNAL_PASSWORD_FILE: passwordFile,
    HOLDFAST_JOURNAL_WAIVED: waived.join(','),
  };
  return new DemoCluster({ folder, nodes, settings, onEvent: () => undefined });
}
