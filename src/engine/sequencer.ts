// Station 2, sequencer (leader only): position, epoch, time; many commands into one entry. It seals
// ahead of what is durable: several entries may be on their way to the journal, chained by digest.

import { assert } from '../base/assert.ts';
import { type Entry, EntryKind, sealEntry } from '../base/entry.ts';
import { OperationalError } from '../base/errors.ts';
import { ENTRY_BYTES_MAX, ENTRY_HEADER_BYTES } from '../base/limits.ts';
import {
  type Command,
  commandBytes,
  tickCommand,
  writeCommand,
  writeCommandFrame,
} from '../domain/commands.ts';
import { nextDeadlineNs } from '../domain/domain.ts';
import { type Replica, sha256 } from '../recovery/replica.ts';
import { CLOCK_JUMP_MS_MAX, type ClockGuard } from './clock-guard.ts';
import { takeRoomOf } from './entry-room.ts';
import type { Intake } from './intake.ts';
import type { Ticket } from './ticket.ts';

/** An entry on its way, and who waits for it: `tickets[i]` stands at command `firstTicket + i`. */
export type Batch = {
  readonly entry: Entry;
  readonly tickets: readonly Ticket[];
  /** Commands that the sequencer put in front by itself (ticks). */
  readonly ownCommands: number;
};

/** The first nanosecond that an entry after `last` may have. */
export function earliestNextNs(last: Pick<Entry, 'timeNs' | 'eventCount'>): bigint {
  return last.timeNs + BigInt(Math.max(1, last.eventCount));
}

/**
 * The clock guard measures from this start on. A clock that went back before it would freeze the
 * journal's time: holds would not expire, and new ids would look old.
 */
function assertNotBehind(nowNs: bigint, earliestNs: bigint): void {
  const behindMs = Number((earliestNs - nowNs) / 1_000_000n);
  if (behindMs <= CLOCK_JUMP_MS_MAX) return;
  throw new OperationalError('CLOCK_JUMPED', {
    detail: `The machine's clock is ${behindMs} ms behind the journal's time; no payment is numbered.`,
    wayOut: 'Set the clock right. If the journal was written under a wrong clock, wait until then.',
  });
}

export type SequencerOptions = {
  readonly intake: Intake;
  readonly replica: Replica;
  readonly clockGuard: ClockGuard;
  /** The opening entry of this epoch: the first head. */
  readonly opening: Entry;
};

export class Sequencer {
  readonly #intake: Intake;
  readonly #replica: Replica;
  readonly #clockGuard: ClockGuard;
  #last: Entry;
  #durable: Entry;

  constructor(options: SequencerOptions) {
    this.#intake = options.intake;
    this.#replica = options.replica;
    this.#clockGuard = options.clockGuard;
    this.#last = options.opening;
    this.#durable = options.opening;
  }

  /** Whether a hold is due to be released now; throws CLOCK_JUMPED. */
  tickIsDue(): boolean {
    // Always looked at: an idle night full of small steps must not add up to a jump.
    const nowNs = this.#clockGuard.nowNs();
    const deadlineNs = nextDeadlineNs(this.#replica.state);
    return deadlineNs !== undefined && deadlineNs <= nowNs;
  }

  /**
   * Numbers what waits and seals it; undefined when there is nothing to do. `probe` asks for an
   * entry in any case (a bare tick). Throws CLOCK_JUMPED before anything is taken from the queue.
   */
  next(options: { readonly probe: boolean }): Batch | undefined {
    const nowNs = this.#clockGuard.nowNs();
    const earliestNs = earliestNextNs(this.#last);
    assertNotBehind(nowNs, earliestNs);
    const timeNs = nowNs > earliestNs ? nowNs : earliestNs;
    const deadlineNs = nextDeadlineNs(this.#replica.state);
    const tickDue = options.probe || (deadlineNs !== undefined && deadlineNs <= timeNs);
    const own: Command[] = tickDue ? [tickCommand()] : [];
    const ownBytes = own.reduce((sum, command) => sum + commandBytes(command), 0);
    const tickets = this.#intake.take(ENTRY_BYTES_MAX - ENTRY_HEADER_BYTES - ownBytes);
    if (tickets.length === 0 && own.length === 0) return undefined;
    try {
      this.#last = this.#seal([...own, ...tickets.map((ticket) => ticket.command)], timeNs);
    } catch (error) {
      // They are in no queue any more and in no entry: nobody else would ever answer them.
      const unsealed = new OperationalError('OUTCOME_UNKNOWN', { cause: error });
      for (const ticket of tickets) ticket.reject(unsealed);
      throw error;
    }
    return { entry: this.#last, tickets, ownCommands: own.length };
  }

  /** `entry` is durable and applied: the next entries say so in their `durable`. */
  acknowledged(entry: Entry): void {
    assert(entry.position === this.#durable.position + 1, 'I3: durable rises without a gap');
    this.#durable = entry;
  }

  /**
   * Everything sealed after the durable head was certainly not written: number from there again.
   */
  rewind(): void {
    this.#last = this.#durable;
  }

  #seal(commands: readonly Command[], timeNs: bigint): Entry {
    let bodyBytes = 0;
    let eventCount = 0;
    for (const command of commands) {
      bodyBytes += commandBytes(command);
      eventCount += command.eventCount;
    }
    const bytes = bytesOf(commands, bodyBytes);
    return sealEntry(
      {
        kind: EntryKind.commands,
        commandCount: commands.length,
        clusterId: this.#last.clusterId,
        timeline: this.#last.timeline,
        position: this.#last.position + 1,
        epoch: this.#last.epoch,
        durable: this.#durable.position,
        timeNs,
        rulesVersion: this.#replica.state.configuration.rulesVersion,
        eventCount,
        bodyBytes,
        outcomePosition: this.#replica.position,
        outcomeDigest: this.#replica.outcomeDigest,
        previousDigest: this.#last.digest,
      },
      bytes,
      sha256,
    );
  }
}

/** Room for the header, and the body behind it. */
function bytesOf(commands: readonly Command[], bodyBytes: number): Uint8Array<ArrayBuffer> {
  const [first] = commands;
  const room = commands.length === 1 && first !== undefined ? takeRoomOf(first.payload) : undefined;
  if (room !== undefined && first !== undefined) {
    writeCommandFrame(room, ENTRY_HEADER_BYTES, first);
    return room;
  }
  const bytes = new Uint8Array(ENTRY_HEADER_BYTES + bodyBytes);
  let offset = ENTRY_HEADER_BYTES;
  for (const command of commands) offset = writeCommand(bytes, offset, command);
  return bytes;
}
