// The leader's end of forwarding: commands that another node has admitted go through this node's
// intake like its own, and are answered together when the last of them has been.

import { OperationalError } from '../../base/errors.ts';
import type { SubmitResult, Waiter } from '../contract.ts';
import type { Intake } from '../intake.ts';
import type { Ticket } from '../ticket.ts';
import { type ForwardedPart, encodeAnswers, failureOf } from './forwarded-answers.ts';
import { decodeForwarded } from './forwarded-commands.ts';

export type AnswerForwardedOptions = {
  readonly intake: Pick<Intake, 'askForwarded'>;
  /** Why no command is taken here now (this node does not lead); undefined = it leads. */
  readonly refusal: () => OperationalError | undefined;
};

/**
 * The handler for PEER_QUESTIONS.forward. Rejects with NOT_READY, and has queued nothing, where
 * this node does not lead or cannot read the question. When `signal` aborts, nobody waits for the
 * answer any more: what has not been numbered will not be.
 */
export function answerForwarded({ intake, refusal }: AnswerForwardedOptions) {
  return (from: string, payload: Uint8Array, signal: AbortSignal): Promise<Uint8Array> => {
    const refused = refusal();
    if (refused !== undefined) return Promise.reject(refused);
    const commands = decodeForwarded(payload);
    if (typeof commands === 'string') return Promise.reject(unreadable(from, commands));
    const gathering = new Gathering(commands.length, signal);
    gathering.tickets = commands.map((command, index) =>
      intake.askForwarded(command, new Part(gathering, index)),
    );
    return gathering.begin();
  };
}

function unreadable(from: string, what: string): OperationalError {
  return new OperationalError('NOT_READY', {
    detail: `The commands that node ${from} forwarded cannot be read here: ${what}.`,
    wayOut: 'Nothing of them was carried out. Run the same release on all nodes.',
  });
}

/** The answer to one question, until all of its commands have been answered. */
class Gathering {
  tickets: readonly Ticket[] = [];
  readonly #parts: (ForwardedPart | undefined)[];
  readonly #signal: AbortSignal;
  readonly #answer = Promise.withResolvers<Uint8Array>();
  readonly #giveUp = (): void => {
    for (const ticket of this.tickets) ticket.abandon();
  };
  #unanswered: number;

  constructor(count: number, signal: AbortSignal) {
    this.#parts = Array.from({ length: count });
    this.#unanswered = count;
    this.#signal = signal;
  }

  begin(): Promise<Uint8Array> {
    if (this.#signal.aborted) this.#giveUp();
    else if (this.#unanswered > 0) this.#signal.addEventListener('abort', this.#giveUp);
    return this.#answer.promise;
  }

  put(index: number, part: ForwardedPart): void {
    this.#parts[index] = part;
    this.#unanswered--;
    if (this.#unanswered > 0) return;
    this.#signal.removeEventListener('abort', this.#giveUp);
    this.#answer.resolve(encodeAnswers(this.#parts.filter((each) => each !== undefined)));
  }
}

class Part implements Waiter {
  readonly #gathering: Gathering;
  readonly #index: number;

  constructor(gathering: Gathering, index: number) {
    this.#gathering = gathering;
    this.#index = index;
  }

  accepted(result: SubmitResult): void {
    this.#gathering.put(this.#index, result);
  }

  failed(error: OperationalError): void {
    this.#gathering.put(this.#index, failureOf(error));
  }
}
