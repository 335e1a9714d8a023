// Everything that must survive: a pure function of a prefix of the journal. Only `apply` changes
// it.

import {
  DEDUPE_BYTES_DEFAULT,
  DEDUPE_BYTES_MAX,
  DEDUPE_BYTES_MIN,
  DEDUPE_WINDOW_SECONDS_DEFAULT,
  DEDUPE_WINDOW_SECONDS_MAX,
  DEDUPE_WINDOW_SECONDS_MIN,
} from '../base/limits.ts';
import { LedgerKernel } from './ledger/kernel.ts';
import type { LedgerTable } from './ledger/ledger-table.ts';
import { CREATED, REFUSAL } from './refusals.ts';

/** What influences `apply` and can be changed: only by a journalled command. */
export type DomainConfiguration = {
  /** Rises by one with each change; a change names the version that it expects. */
  readonly version: number;
  readonly dedupeWindowSeconds: number;
  readonly dedupeBytesMax: number;
  readonly rulesVersion: number;
};

/** The rules that this release knows. */
export const RULES_VERSION = 1;

export const CONFIGURATION_AT_START: DomainConfiguration = {
  version: 0,
  dedupeWindowSeconds: DEDUPE_WINDOW_SECONDS_DEFAULT,
  dedupeBytesMax: DEDUPE_BYTES_DEFAULT,
  rulesVersion: RULES_VERSION,
};

export class DomainState {
  readonly ledger: LedgerKernel;
  configuration: DomainConfiguration;
  /** The last timestamp that was used. */
  lastTimeNs = 0n;
  /** Position of the last stamp that was applied. */
  position = 0;

  constructor(configuration: DomainConfiguration) {
    this.configuration = configuration;
    this.ledger = new LedgerKernel(configuration.dedupeBytesMax);
  }

  get ledgers(): LedgerTable {
    return this.ledger.ledgers;
  }
}

/** A `configure` command; values are integers. Answers CREATED or a refusal number. */
export function configure(
  state: DomainState,
  expectedVersion: number,
  wanted: Omit<DomainConfiguration, 'version'>,
): number {
  if (expectedVersion !== state.configuration.version) {
    return REFUSAL.configuration_changed_meanwhile;
  }
  const windowSeconds = wanted.dedupeWindowSeconds;
  const bytesMax = wanted.dedupeBytesMax;
  if (
    windowSeconds < DEDUPE_WINDOW_SECONDS_MIN ||
    windowSeconds > DEDUPE_WINDOW_SECONDS_MAX ||
    bytesMax < DEDUPE_BYTES_MIN ||
    bytesMax > DEDUPE_BYTES_MAX
  ) {
    return REFUSAL.configuration_out_of_range;
  }
  if (wanted.rulesVersion !== RULES_VERSION) return REFUSAL.configuration_rules_version_unknown;
  state.configuration = {
    version: expectedVersion + 1,
    dedupeWindowSeconds: windowSeconds,
    dedupeBytesMax: bytesMax,
    rulesVersion: wanted.rulesVersion,
  };
  state.ledger.remembered.setBytesMax(bytesMax);
  return CREATED;
}
