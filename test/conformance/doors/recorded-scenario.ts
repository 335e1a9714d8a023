// A scenario as the commands that it sends, with their stamps and the outcomes that it expects:
// played once on the naive model, so that it can be sent again through a door.

import type { Command } from '../../../src/domain/commands.ts';
import { type DomainState, apply, createState, image } from '../../../src/domain/domain.ts';
import type { Outcome, Stamp } from '../../../src/domain/outcome.ts';
import { askBySubmitting } from '../../../src/api/testing/fake-node.ts';
import type {
  Asked,
  Engine,
  NodeStatus,
  SubmitResult,
  Waiter,
} from '../../../src/engine/contract.ts';
import { MemoryHistory } from '../../../src/history/testing/memory-history.ts';
import { type Books, NaiveBooks } from '../../model/books.ts';
import type { Act } from '../../scenarios/postings.ts';
import { ScenarioPlayer } from '../../scenarios/scenario.ts';

export type Step = {
  readonly command: Command;
  readonly stamp: Stamp;
  readonly codes: readonly number[];
  /** What was asked of the door, where the command does not say it: a posting, a revert. */
  readonly act: Act | undefined;
};

export function recordScenario(text: string): Step[] {
  const books = new NaiveBooks();
  const steps: Step[] = [];
  let act: Act | undefined;
  const recording: Books = {
    apply: (command: Command, stamp: Stamp): Outcome => {
      const outcome = books.apply(command, stamp);
      steps.push({ command, stamp, codes: [...outcome.codes], act });
      act = undefined;
      return outcome;
    },
    account: (id) => books.account(id),
    transfer: (id) => books.transfer(id),
    rememberedCount: () => books.rememberedCount(),
    nextDeadlineNs: () => books.nextDeadlineNs(),
  };
  new ScenarioPlayer(recording, (asked) => (act = asked)).play(text);
  return steps;
}

/** Applies what comes through a door with the stamp of the scenario's present step. */
export class StampedEngine implements Engine {
  readonly cluster = undefined;
  readonly state: DomainState = createState();
  readonly history = new MemoryHistory();
  stamp: Stamp = { position: 0, timeNs: 0n, rulesVersion: 1 };

  /** What no door can say is applied here directly, so that the books stay in step. */
  applyDirectly(command: Command): Outcome {
    const outcome = apply(this.state, command, this.stamp);
    this.history.applied(this.state, command, outcome, this.stamp.position);
    return outcome;
  }

  catchUp(): Promise<void> {
    return Promise.resolve();
  }

  submit(command: Command): Promise<SubmitResult> {
    const outcome = this.applyDirectly(command);
    return Promise.resolve({ outcome, position: this.stamp.position });
  }

  ask(command: Command, waiter: Waiter): Asked {
    return askBySubmitting((asked) => this.submit(asked), command, waiter);
  }

  status(): NodeStatus {
    return {
      role: 'leading',
      reason: 'a test said so.',
      roleSinceMs: 0,
      clusterId: '0'.repeat(32),
      timeline: 1,
      epoch: 1,
      position: this.stamp.position,
      journalFirst: 1,
      journalLast: this.stamp.position,
      queuedCommands: 0,
      queuedBytes: 0,
      impediment: undefined,
      journal: { error: undefined, awaySeconds: 0, awaySecondsTotal: 0, outages: 0 },
      tornBytesCut: 0,
    };
  }

  imageHex(): string {
    return image(this.state)
      .map(({ name, bytes }) => `${name}=${Buffer.from(bytes).toString('hex')}`)
      .join('\n');
  }
}
