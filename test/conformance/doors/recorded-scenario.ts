// A scenario as the commands that it sends, with their stamps and the outcomes that it expects:
// played once on the naive model, so that it can be sent again through a door.

import { AbsentHistory } from '../../../src/history/absent-history.ts';
import type { Command } from '../../../src/domain/commands.ts';
import { type DomainState, apply, createState, image } from '../../../src/domain/domain.ts';
import type { Outcome, Stamp } from '../../../src/domain/outcome.ts';
import type { Engine, NodeStatus, SubmitResult } from '../../../src/engine/contract.ts';
import { type Books, NaiveBooks } from '../../model/books.ts';
import { ScenarioPlayer } from '../../scenarios/scenario.ts';

export type Step = {
  readonly command: Command;
  readonly stamp: Stamp;
  readonly codes: readonly number[];
};

export function recordScenario(text: string): Step[] {
  const books = new NaiveBooks();
  const steps: Step[] = [];
  const recording: Books = {
    apply: (command: Command, stamp: Stamp): Outcome => {
      const outcome = books.apply(command, stamp);
      steps.push({ command, stamp, codes: [...outcome.codes] });
      return outcome;
    },
    account: (id) => books.account(id),
    transfer: (id) => books.transfer(id),
    rememberedCount: () => books.rememberedCount(),
    nextDeadlineNs: () => books.nextDeadlineNs(),
  };
  new ScenarioPlayer(recording).play(text);
  return steps;
}

/** Applies what comes through a door with the stamp of the scenario's present step. */
export class StampedEngine implements Engine {
  readonly history = new AbsentHistory();
  readonly state: DomainState = createState();
  stamp: Stamp = { position: 0, timeNs: 0n, rulesVersion: 1 };

  /** What no door can say is applied here directly, so that the books stay in step. */
  applyDirectly(command: Command): Outcome {
    return apply(this.state, command, this.stamp);
  }

  submit(command: Command): Promise<SubmitResult> {
    const outcome = apply(this.state, command, this.stamp);
    return Promise.resolve({ outcome, position: this.stamp.position });
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
      tornBytesCut: 0,
    };
  }

  imageHex(): string {
    return image(this.state)
      .map(({ name, bytes }) => `${name}=${Buffer.from(bytes).toString('hex')}`)
      .join('\n');
  }
}
