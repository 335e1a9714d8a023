// The answer of /v1/status: how the node is and how the books are, for people and for the CLI.

import type { DomainState } from '../domain/domain.ts';
import { counts, findLedger, ledgerTotals } from '../domain/queries.ts';
import type { Engine } from '../engine/contract.ts';
import type { HistoryStatus } from '../history/contract.ts';
import { leaderJson } from './cluster-text.ts';
import { readBooks } from './context.ts';

/** Answered in every role: a node that is not ready is the one that people ask about. */
export function statusText(engine: Engine): string {
  const status = engine.status();
  const view = engine.cluster?.view();
  const state = booksState(engine);
  return JSON.stringify({
    node: view?.self ?? null,
    role: status.role,
    reason: status.reason,
    role_since: new Date(status.roleSinceMs).toISOString(),
    leader: view === undefined ? null : leaderJson(view),
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
    history: historyOf(engine.history.status()),
    views: viewsOf(engine),
    books: state === undefined ? null : booksOf(state),
  });
}

/** Undefined while there are no books yet. */
function booksState(engine: Engine): DomainState | undefined {
  try {
    return readBooks({ engine }).state;
  } catch {
    return undefined;
  }
}

function historyOf({ complete, reason, transfers, position, runs, bytes }: HistoryStatus) {
  return { complete, reason: reason ?? null, transfers, position, runs, bytes };
}

function viewsOf({ views }: Engine) {
  if (views === undefined) return null;
  const { isComplete, reason, position, lag, transfers } = views.status();
  return { complete: isComplete, reason: reason ?? null, position, lag, transfers };
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
