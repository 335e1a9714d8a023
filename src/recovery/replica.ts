// A replica: the state, and how far in the journal it is. The one place where entries meet the
// domain, so the leader, a replay and an offline check do exactly the same with the same bytes.
// It keeps I8: replicas at one position have one outcome digest, and each checks the leader's.

import { hash } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { DIGEST_BYTES, type Entry, EntryKind, entryBody, equalBytes } from '../base/entry.ts';
import { OperationalError } from '../base/errors.ts';
import { type Command, readCommands } from '../domain/commands.ts';
import { type DomainState, apply, createState, stateMix } from '../domain/domain.ts';
import type { Outcome } from '../domain/outcome.ts';

/** Outcome digests kept for comparison: a leader names one of the last few positions. */
export const DIGESTS_KEPT = 256;

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

/** Called right after each command, while the state still knows what the command accepted. */
export type CommandListener = (
  command: Command,
  outcome: Outcome,
  position: number,
  state: DomainState,
) => void;

/** Where a replica stands: what a checkpoint writes down beside the state. */
export type ReplicaPlace = {
  readonly position: number;
  /** Outcome digests by position, in rising order; the last one is that of `position`. */
  readonly outcomeDigests: ReadonlyMap<number, Uint8Array>;
};

export class Replica {
  readonly state: DomainState;
  readonly #onCommand: CommandListener | undefined;
  #position = 0;
  #outcomeDigest: Uint8Array = new Uint8Array(DIGEST_BYTES);
  readonly #digests = new Map<number, Uint8Array>();

  constructor(state: DomainState = createState(), onCommand?: CommandListener) {
    this.state = state;
    this.#onCommand = onCommand;
  }

  /** A replica that goes on from a checkpoint as the one went on that it was taken of. */
  static at(place: ReplicaPlace, state: DomainState, onCommand?: CommandListener): Replica {
    const replica = new Replica(state, onCommand);
    const digest = place.outcomeDigests.get(place.position);
    assert(digest !== undefined, 'the outcome digest of the position is among those kept');
    replica.#position = place.position;
    replica.#outcomeDigest = digest;
    for (const [position, known] of place.outcomeDigests) replica.#digests.set(position, known);
    return replica;
  }

  get place(): ReplicaPlace {
    return { position: this.#position, outcomeDigests: new Map(this.#digests) };
  }

  /** Position of the last applied entry. */
  get position(): number {
    return this.#position;
  }

  /** Chained digest of all outcomes through `position`. */
  get outcomeDigest(): Uint8Array {
    return this.#outcomeDigest;
  }

  /**
   * Applies an accepted entry and returns one outcome for each of its commands. Throws
   * JOURNAL_DIVERGED when the writer of the entry computed other outcomes than this replica.
   */
  apply(entry: Entry): Outcome[] {
    assert(entry.position === this.#position + 1, 'entries are applied in order, without a gap');
    this.#compareOutcomes(entry);
    const outcomes: Outcome[] = [];
    if (entry.kind === EntryKind.commands) {
      let timeNs = entry.timeNs;
      for (const command of readCommands(entryBody(entry), entry.commandCount)) {
        const { position, rulesVersion } = entry;
        const outcome = apply(this.state, command, { position, timeNs, rulesVersion });
        this.#onCommand?.(command, outcome, position, this.state);
        outcomes.push(outcome);
        timeNs += BigInt(command.eventCount);
      }
      assert(timeNs === entry.timeNs + BigInt(entry.eventCount), 'the header counts the events');
    } else if (entry.kind !== EntryKind.opening && entry.kind !== EntryKind.roll) {
      throw unknownKind(entry);
    } else {
      assert(entry.commandCount === 0, 'an opening or a roll carries no command');
    }
    this.#position = entry.position;
    this.#extendDigest(outcomes);
    return outcomes;
  }

  #compareOutcomes(entry: Entry): void {
    if (entry.outcomePosition === 0) return;
    assert(entry.outcomePosition < entry.position, 'an outcome digest is of an earlier position');
    const own = this.#digests.get(entry.outcomePosition);
    if (own === undefined) {
      const isForgotten = entry.outcomePosition <= this.#position - DIGESTS_KEPT;
      assert(isForgotten, 'a digest that cannot be compared is older than those kept');
      return;
    }
    if (equalBytes(own, entry.outcomeDigest)) return;
    throw new OperationalError('JOURNAL_DIVERGED', {
      detail:
        `At position ${entry.outcomePosition} this node computes other outcomes than the writer ` +
        `of entry ${entry.position} did: one of the two had a fault in memory or other rules.`,
      wayOut:
        'Nothing was answered from the differing state. Start the node again; if it stops here ' +
        'again, run the release that wrote the journal and keep the data folder for analysis.',
    });
  }

  #extendDigest(outcomes: readonly Outcome[]): void {
    let codes = 0;
    for (const outcome of outcomes) codes += outcome.codes.length;
    const bytes = new Uint8Array(DIGEST_BYTES + 16 + 2 * codes);
    bytes.set(this.#outcomeDigest);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(DIGEST_BYTES, BigInt(this.#position), true);
    const mix = stateMix(this.state);
    view.setUint32(DIGEST_BYTES + 8, mix[0] ?? 0, true);
    view.setUint32(DIGEST_BYTES + 12, mix[1] ?? 0, true);
    let offset = DIGEST_BYTES + 16;
    for (const outcome of outcomes) {
      // One by one: a view of so few bytes would first give each array memory of its own.
      for (let index = 0; index < outcome.codes.length; index++) {
        view.setUint16(offset, outcome.codes[index]!, true);
        offset += 2;
      }
    }
    this.#outcomeDigest = sha256(bytes);
    this.#digests.set(this.#position, this.#outcomeDigest);
    this.#digests.delete(this.#position - DIGESTS_KEPT);
  }
}

/** Passing over it would be half a history: what it holds was acknowledged by who wrote it. */
function unknownKind(entry: Entry): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail: `The entry at position ${entry.position} is of kind ${entry.kind}, which this release does not know.`,
    wayOut: 'Nothing was changed. Run the release that wrote the journal, or a newer one.',
  });
}
