// A standby and two nodes that can lead, over peers in memory: for tests of forwarding. The leaders
// number what they are told to and carry nothing out; what was numbered where is written down.

import { OperationalError } from '../../../base/errors.ts';
import { TRANSFER_BYTES } from '../../../base/transfer-record.ts';
import { PEER_QUESTIONS, type PeerNetwork } from '../../../cluster/contract.ts';
import { MemoryPeers } from '../../../cluster/testing/memory-peers.ts';
import { type Command, transfersCommand } from '../../../domain/commands.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { SubmitResult, Waiter } from '../../contract.ts';
import { Intake } from '../../intake.ts';
import type { Ticket } from '../../ticket.ts';
import { answerForwarded } from '../answer-forwarded.ts';
import { Forwarder } from '../forwarder.ts';

const BOUNDS = { commandsMax: 100_000, bytesMax: 1024 * 1024 * 1024 };

/** Timers of the peers are not used here. */
const STILL: Clock = {
  nowNs: () => 0n,
  monotonicMs: () => 0,
  sleep: () => Promise.resolve(),
};

/** A batch of transfers that says who it is in its first bytes. */
export function commandOf(number: number, events = 1): Command {
  const payload = new Uint8Array(events * TRANSFER_BYTES);
  new DataView(payload.buffer).setUint32(0, number, true);
  return transfersCommand(payload);
}

export function numberOf({ payload }: Command): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
}

/** What the callers hear, in the order in which they hear it. */
export class Callers {
  readonly heard: string[] = [];
  readonly tickets = new Map<number, Ticket>();

  waiter(number: number): Waiter {
    return {
      accepted: ({ position }: SubmitResult) => this.heard.push(`${number} at ${position}`),
      failed: ({ code }: OperationalError) => this.heard.push(`${number} ${code}`),
    };
  }
}

/** A node that can lead. */
export class Leader {
  readonly id: string;
  readonly intake: Intake;
  readonly peers: PeerNetwork;
  readonly numbered: number[] = [];
  isLeading = true;
  readonly #inFlight: { readonly ticket: Ticket; readonly result: SubmitResult }[] = [];
  readonly #positions: () => number;

  constructor(hub: MemoryPeers, id: string, positions: () => number) {
    this.id = id;
    this.intake = new Intake(BOUNDS, () => undefined);
    this.intake.open();
    this.#positions = positions;
    this.peers = hub.node(id);
    this.peers.answer(
      PEER_QUESTIONS.forward,
      answerForwarded({
        intake: this.intake,
        refusal: () => (this.isLeading ? undefined : new OperationalError('NOT_READY')),
      }),
    );
  }

  /** Numbers up to `count` commands, each an entry of its own. Returns the last position. */
  number(count = Number.POSITIVE_INFINITY): number {
    let last = 0;
    for (const ticket of this.intake.take(BOUNDS.bytesMax, count)) {
      last = this.#positions();
      this.numbered.push(numberOf(ticket.command));
      const codes = new Uint16Array(ticket.command.eventCount);
      const outcome = { kind: ticket.command.kind, timeNs: BigInt(last), codes, expired: 0 };
      this.#inFlight.push({ ticket, result: { outcome, position: last } });
    }
    return last;
  }

  /** What was numbered is durable. */
  answer(): void {
    for (const { ticket, result } of this.#inFlight.splice(0)) ticket.resolve(result);
  }

  /** What was numbered has no outcome here. */
  lose(error = new OperationalError('OUTCOME_UNKNOWN')): void {
    for (const { ticket } of this.#inFlight.splice(0)) ticket.reject(error);
  }

  resign(): void {
    this.isLeading = false;
    this.intake.rejectForwarded(new OperationalError('NOT_READY'));
  }
}

export type ForwardRig = AsyncDisposable & {
  readonly hub: MemoryPeers;
  readonly intake: Intake;
  readonly forwarder: Forwarder;
  readonly callers: Callers;
  readonly one: Leader;
  readonly two: Leader;
  readonly troubles: string[];
  /** Admits commands at the standby. */
  ask(...numbers: readonly number[]): void;
  /** The standby's books hold everything through `position`. */
  apply(position: number): void;
};

/** The standby is not told yet who leads. */
export async function startForwarding(): Promise<ForwardRig> {
  const hub = new MemoryPeers({ clock: STILL });
  let position = 0;
  let applied = 0;
  const next = (): number => ++position;
  const [one, two] = [new Leader(hub, 'one', next), new Leader(hub, 'two', next)];
  const peers = hub.node('standby');
  const all = [one.peers, two.peers, peers];
  for (const node of all) await node.open();
  const addresses = { url: '', binaryUrl: '', peer: '' };
  for (const node of all) {
    node.know(['one', 'two', 'standby'].map((id) => ({ id, addresses })));
  }
  const intake = new Intake(BOUNDS, () => forwarder.wake());
  const troubles: string[] = [];
  const forwarder: Forwarder = new Forwarder({
    intake,
    peers,
    position: () => applied,
    onTrouble: (id, { code }) => troubles.push(`${id} ${code}`),
  });
  intake.open();
  const callers = new Callers();
  const ask = (...numbers: readonly number[]): void => {
    for (const number of numbers) {
      callers.tickets.set(number, intake.ask(commandOf(number), callers.waiter(number)));
    }
  };
  return {
    hub,
    intake,
    forwarder,
    callers,
    one,
    two,
    troubles,
    ask,
    apply: (through) => {
      applied = Math.max(applied, through);
      forwarder.applied(applied);
    },
    [Symbol.asyncDispose]: async () => {
      forwarder.abandon(new OperationalError('SHUTTING_DOWN'));
      for (const node of all) await node.close();
    },
  };
}

/** Long enough for what is under way in memory; timers do not pass. */
export async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
