// One term of a clustered leader: it numbers until it hands over, loses the right to append, or the
// process ends. What it has not answered then goes on with the next leader: its own commands return
// to the front of the queue and are sent there by id, those of other nodes are sent by these.

import { OperationalError, isOperationalError } from '../../base/errors.ts';
import type { Call } from '../../cluster/contract.ts';
import type { Ticket } from '../ticket.ts';
import type { Leading } from './leading.ts';
import type { MemberParts } from './member-parts.ts';
import type { TakenOver } from './taking-over.ts';

const LOOK_MS = 100;

/**
 * Without an append that succeeds for so long, while a standby is well, a leader gives up. An
 * engine that fails over is away for all nodes alike, and a driver that waits for it keeps the
 * outcome certain: there another leader would wait as well, and this one's appends would be in
 * doubt. So it is longer than most failovers take, and shorter than a driver waits (ADR 0013).
 * Where all nodes of the machine write to one disk, only what is stuck, and not what is slow, is
 * worth ending a process for.
 */
const STALLED_MS_MAX = 2000;
const STALLED_SHARED_MS_MAX = 5000;

/** Then people are told that the journal does not answer, and so is who gives up waiting. */
const STALL_TOLD_MS = 1000;

/** A wrong clock keeps all payments waiting: after so long another node may have a better one. */
const CLOCK_MS_MAX = 1000;

/** For what is in flight at a hand-over; then the leader goes on. */
const SETTLE_MS_MAX = 1000;

/** Somebody else appends, or nobody can say what became of an append: others may know. */
const STEPS_DOWN: ReadonlySet<string> = new Set([
  'JOURNAL_FENCED',
  'JOURNAL_UNKNOWN_OUTCOME',
  'JOURNAL_DIVERGED',
  'JOURNAL_CLOSED',
  'JOURNAL_UNAVAILABLE',
  'JOURNAL_UNSAFE',
]);

/** Of these: it is the engine that did not answer. */
const UNANSWERED: ReadonlySet<string> = new Set([
  'JOURNAL_UNKNOWN_OUTCOME',
  'JOURNAL_UNAVAILABLE',
  'JOURNAL_UNSAFE',
  'JOURNAL_FAILED',
]);

/** A standby that says so would wait for the engine as well. */
const NO_BETTER: ReadonlySet<string> = new Set(['JOURNAL_UNAVAILABLE', 'JOURNAL_UNSAFE']);

export type TermEnd =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'over'; readonly reason: string };

export class TermOfOffice {
  readonly #parts: MemberParts;
  readonly #leading: Leading;
  readonly #end = Promise.withResolvers<TermEnd>();
  readonly #looking: NodeJS.Timeout;
  #isOver = false;
  #clockWrongSinceMs: number | undefined;
  #impedimentTold: string | undefined;

  constructor(parts: MemberParts, { rule, opened }: TakenOver, call: Call) {
    this.#parts = parts;
    this.#leading = parts.stations.lead({
      rule,
      opened,
      clockGuard: parts.clockGuard,
      reason: `It opened epoch ${opened.entry.epoch}: ${call.reason}`,
      onFatal: (error) => this.#failed(error),
    });
    this.#looking = setInterval(() => this.look(), LOOK_MS);
  }

  /** The node does not lead any more then; the journal may still be open. */
  get untilEnd(): Promise<TermEnd> {
    return this.#end.promise;
  }

  end(end: TermEnd): void {
    this.#isOver = true;
    clearInterval(this.#looking);
    this.#end.resolve(end);
  }

  /** Numbers nothing more, lets what is in flight settle, and closes the journal. */
  async handOver(target: string, reason: string): Promise<number> {
    const { stations } = this.#parts;
    if (this.#isOver) throw refused('The leadership has just been lost.');
    stations.because(`It hands over to ${target}: ${reason}`);
    const over = new AbortController();
    const late = stations.options.clock.sleep(SETTLE_MS_MAX, over.signal);
    await Promise.race([this.#leading.suspend(), late]);
    over.abort();
    if (this.#isOver) throw refused('The leadership was lost meanwhile.');
    if (this.#leading.stalledMs > 0) {
      this.#leading.resume();
      throw refused('The journal does not answer in time.');
    }
    const { position } = stations.replica;
    this.#giveBack();
    clearInterval(this.#looking);
    this.#isOver = true;
    try {
      await stations.journal.close();
    } finally {
      // Also where closing failed: it numbers nothing any more, and must not seem to.
      this.end({ kind: 'over', reason: `It handed over to ${target}.` });
    }
    return position;
  }

  /** Something was heard of the others, or some time has passed. */
  look(): void {
    if (this.#isOver) return;
    const { stations, cluster } = this.#parts;
    const other = cluster.leadership.leader();
    if (other !== undefined && other.epoch > stations.epoch) {
      this.#lose(`Node ${other.id} leads epoch ${other.epoch}.`);
      return;
    }
    const { exclusive } = stations.journal.guarantees;
    const stalledMs = this.#leading.stalledMs;
    this.#tellStall(stalledMs);
    const isStalled = stalledMs > (exclusive ? STALLED_SHARED_MS_MAX : STALLED_MS_MAX);
    if (isStalled && this.#hasStandby()) {
      const detail = `No append has succeeded for ${Math.round(stalledMs)} ms, and a standby is well.`;
      this.#failed(new OperationalError('JOURNAL_FAILED', { detail }));
      return;
    }
    this.#tellImpediment();
    this.#lookAtClock();
  }

  #tellStall(stalledMs: number): void {
    const { presence, journal } = this.#parts.stations;
    if (stalledMs <= STALL_TOLD_MS || journal.guarantees.exclusive) {
      presence.canWrite();
      return;
    }
    const detail = `No append has been answered for ${(stalledMs / 1000).toFixed(1)} s.`;
    presence.cannotWrite(new OperationalError('JOURNAL_UNAVAILABLE', { detail }));
  }

  /** On a full disk nothing is applied, and so nothing else makes this node speak of itself. */
  #tellImpediment(): void {
    const code = this.#leading.impediment?.code;
    if (code === this.#impedimentTold) return;
    this.#impedimentTold = code;
    this.#parts.reports.now();
  }

  #lookAtClock(): void {
    const { clock } = this.#parts.stations.options;
    const isWrong = this.#leading.impediment?.code === 'CLOCK_JUMPED';
    if (!isWrong) this.#clockWrongSinceMs = undefined;
    else this.#clockWrongSinceMs ??= clock.monotonicMs();
    if (this.#clockWrongSinceMs === undefined || !this.#hasStandby()) return;
    if (clock.monotonicMs() - this.#clockWrongSinceMs < CLOCK_MS_MAX) return;
    this.#lose('Its clock has jumped, and a standby is well.');
  }

  #hasStandby(): boolean {
    const { peers, leadership } = this.#parts.cluster;
    if (leadership.view().pause.isPaused) return false;
    return peers.peers().some(({ isLinked, state }) => {
      return isLinked && state?.role === 'following' && !NO_BETTER.has(state.impediment);
    });
  }

  #failed(error: unknown): void {
    if (this.#isOver) return;
    const { stations } = this.#parts;
    if (isOperationalError(error)) {
      const { exclusive } = stations.journal.guarantees;
      if (STEPS_DOWN.has(error.code) || (error.code === 'JOURNAL_FAILED' && !exclusive)) {
        this.#lose(error.message);
        if (UNANSWERED.has(error.code)) stations.presence.cannotWrite(error);
        return;
      }
    }
    clearInterval(this.#looking);
    stations.halt(isOperationalError(error, 'JOURNAL_FAILED') ? endsWithLock(error) : error);
  }

  #lose(reason: string): void {
    this.#giveBack();
    this.end({ kind: 'over', reason });
  }

  #giveBack(): void {
    const { stations } = this.#parts;
    const numbered = this.#leading.withdraw();
    stations.leading = undefined;
    const gone = new OperationalError('NOT_READY', { detail: 'This node leads no more.' });
    const own: Ticket[] = [];
    for (const ticket of numbered) {
      ticket.unnumber(true);
      if (ticket.isForwarded) ticket.reject(gone);
      else own.push(ticket);
    }
    stations.intake.putBack(own);
    stations.intake.rejectForwarded(gone);
  }
}

function refused(detail: string): OperationalError {
  return new OperationalError('SWITCHOVER_REFUSED', { detail });
}

/** The lock on a journal that all nodes share ends with its process, and not before. */
function endsWithLock(error: OperationalError): OperationalError {
  return new OperationalError('JOURNAL_FAILED', {
    detail: `${error.detail} The process ends, so that its lock on the journal ends and another node can lead.`,
    wayOut: error.wayOut,
    cause: error,
  });
}
