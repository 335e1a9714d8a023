// One digest of everything that influences `apply` and is not in the commands themselves: rules,
// configuration, ledgers. Nodes compare it at the same position (DESIGN 8): two that differ would
// compute different books from the same journal.

import { canonicalBytes } from '../base/canonical-json.ts';
import { toHex } from '../base/entry.ts';
import type { DomainState } from '../domain/domain.ts';
import { listLedgers } from '../domain/queries.ts';
import { sha256 } from '../recovery/replica.ts';

/** It changes a few times in a cluster's life; a peer's word is a second old at most. */
const CHANGES_KEPT = 16;

/** What holds from a position on, until the next one. */
type Since = { readonly position: number; readonly digest: string };

export class ConfigurationDigest {
  #changes: Since[] = [];
  #version = -1;
  #ledgers = -1;

  /** The state is that after `position`. Cheap where nothing has changed. */
  look(state: DomainState, position: number): string {
    const { version } = state.configuration;
    const ledgers = state.ledgers.definitions.length;
    const newest = this.#changes.at(-1);
    if (newest !== undefined && version === this.#version && ledgers === this.#ledgers) {
      return newest.digest;
    }
    this.#version = version;
    this.#ledgers = ledgers;
    const digest = digestOf(state);
    this.#changes.push({ position, digest });
    if (this.#changes.length > CHANGES_KEPT) this.#changes.shift();
    return digest;
  }

  /** Of an earlier position; undefined where that is not known any more, or not yet. */
  at(position: number): string | undefined {
    return this.#changes.findLast((change) => change.position <= position)?.digest;
  }

  /** The replica has been built anew. */
  forget(): void {
    this.#changes = [];
  }
}

function digestOf(state: DomainState): string {
  const { version, dedupeWindowSeconds, dedupeBytesMax, rulesVersion } = state.configuration;
  const ledgers = listLedgers(state).map(({ ledger, currency, exponent }) => {
    return { ledger, currency, exponent };
  });
  const configuration = { version, dedupeWindowSeconds, dedupeBytesMax, rulesVersion };
  return toHex(sha256(canonicalBytes({ configuration, ledgers })));
}
