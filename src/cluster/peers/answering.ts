// The side of a link that answers: the handlers, one for each kind of question, and what of their
// failures may travel. An operational failure does; anything else is this node's bug, is logged
// here, and is an unknown outcome there.

import { assert } from '../../base/assert.ts';
import { OperationalError, isOperationalError } from '../../base/errors.ts';
import type { PeerQuestion } from '../contract.ts';

export type PeerLog = (level: 'info' | 'warning' | 'error', text: string, error?: unknown) => void;

export type PeerHandler = (
  from: string,
  payload: Uint8Array,
  signal: AbortSignal,
) => Promise<Uint8Array>;

export type AskedQuestion = {
  readonly from: string;
  readonly kind: number;
  readonly payload: Uint8Array;
};

export class Answering {
  readonly #self: string;
  readonly #log: PeerLog;
  readonly #handlers = new Map<number, PeerHandler>();

  constructor(self: string, log: PeerLog) {
    this.#self = self;
    this.#log = log;
  }

  set(kind: PeerQuestion, handler: PeerHandler): void {
    assert(!this.#handlers.has(kind), 'each kind of question has one handler');
    this.#handlers.set(kind, handler);
  }

  /** Rejects with operational errors only. */
  async answer({ from, kind, payload }: AskedQuestion, signal: AbortSignal): Promise<Uint8Array> {
    const handler = this.#handlers.get(kind);
    if (handler === undefined) {
      throw new OperationalError('NOT_READY', {
        detail: `Node ${this.#self} does not answer questions of kind ${kind} (yet).`,
        wayOut: 'It was not carried out: ask again, or use the same release on all nodes.',
      });
    }
    try {
      return await handler(from, payload, signal);
    } catch (error) {
      if (isOperationalError(error)) throw error;
      if (!signal.aborted) {
        this.#log('error', `a question of kind ${kind} from ${from} failed unforeseen`, error);
      }
      throw new OperationalError('OUTCOME_UNKNOWN', {
        detail: `Node ${this.#self} failed unforeseen while it answered; its log says how.`,
        wayOut: 'Ask again with the same ids.',
      });
    }
  }
}

export function notLinked(id: string): OperationalError {
  return new OperationalError('NOT_READY', {
    detail: `There is no link to node ${id}; the question was not sent.`,
    wayOut: 'Try again when the node is there.',
  });
}

export function notSent(id: string): OperationalError {
  return new OperationalError('NOT_READY', {
    detail: `The question to node ${id} was given up before it was sent.`,
  });
}

export function linkLost(id: string): OperationalError {
  return new OperationalError('OUTCOME_UNKNOWN', {
    detail: `The link to node ${id} was lost before the answer came.`,
    wayOut: 'Ask again with the same ids.',
  });
}

export function givenUp(id: string): OperationalError {
  return new OperationalError('OUTCOME_UNKNOWN', {
    detail: `The question to node ${id} was given up before the answer came.`,
    wayOut: 'Ask again with the same ids.',
  });
}
