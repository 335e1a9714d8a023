// The answer of /v1/status: how the node is and how the books are, for people and for the CLI.

import type { DomainState } from '../domain/domain.ts';
import { counts, findLedger, ledgerTotals } from '../domain/queries.ts';
import type { NodeStatus } from '../engine/contract.ts';
import type { HistoryStatus } from '../history/contract.ts';

/** `state` is undefined while there are no books yet. */
export function statusText(
  status: NodeStatus,
  history: HistoryStatus,
  state: DomainState | undefined,
): string {
  return JSON.stringify({
    role: status.role,
    reason: status.reason,
    role_since: new Date(status.roleSinceMs).toISOString(),
    cluster_id: status.clusterId,
    timeline: status.timeline,
    epoch: status.epoch,
    position: status.position,
    journal: {
      first: status.journalFirst,
      last: status.journalLast,
      torn_bytes_cut: status.tornBytesCut,
    },
    queue: { commands: status.queuedCommands, bytes: status.queuedBytes },
    impediment: status.impediment?.toLowerCase() ?? null,
    history: historyOf(history),
    books: state === undefined ? null : booksOf(state),
  });
}

function historyOf({ complete, reason, transfers, position, runs, bytes }: HistoryStatus) {
  return { complete, reason: reason ?? null, transfers, position, runs, bytes };
}

function booksOf(state: DomainState) {
  const { accounts, holds, remembered, rememberedCapacity, edgeSeconds } = counts(state);
  const { version, dedupeWindowSeconds, dedupeBytesMax, rulesVersion } = state.configuration;
  return {
    accounts,
    holds,
    ledgers: ledgerTotals(state).map((totals) => ({
      ledger: totals.ledger,
      currency: findLedger(state, totals.ledger)?.currency ?? null,
      exponent: findLedger(state, totals.ledger)?.exponent ?? null,
      debits_posted: totals.debitsPosted.toString(),
      credits_posted: totals.creditsPosted.toString(),
      debits_pending: totals.debitsPending.toString(),
      credits_pending: totals.creditsPending.toString(),
    })),
    dedupe: {
      window_seconds: dedupeWindowSeconds,
      bytes_max: dedupeBytesMax,
      remembered,
      capacity: rememberedCapacity,
      edge_seconds: edgeSeconds,
    },
    configuration_version: version,
    rules_version: rulesVersion,
  };
}
