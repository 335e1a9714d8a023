// The forwarder against everything that can happen to it, in any order: leaders named, lost and
// named again, answers late, in parts or not at all, callers that leave. Held against a model that
// says for each command where it is.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import fc from 'fast-check';
import { OPERATIONAL_ERRORS, type OperationalCode, OperationalError } from '../../base/errors.ts';
import type { PeerNetwork } from '../../cluster/contract.ts';
import { Intake } from '../intake.ts';
import type { Ticket } from '../ticket.ts';
import { type ForwardedPart, encodeAnswers, failureOf } from './forwarded-answers.ts';
import { decodeForwarded } from './forwarded-commands.ts';
import { Forwarder } from './forwarder.ts';
import { commandOf, numberOf } from './testing/forward-rig.ts';

const FAILURES = [
  'OUTCOME_UNKNOWN',
  'NOT_READY',
  'SHUTTING_DOWN',
  'JOURNAL_FENCED',
  'JOURNAL_CLOSED',
  'JOURNAL_UNKNOWN_OUTCOME',
  'OVERLOADED',
  'JOURNAL_FULL',
  'CLOCK_JUMPED',
] as const satisfies readonly OperationalCode[];

type Step =
  | { readonly kind: 'ask'; readonly events: number }
  | { readonly kind: 'toward'; readonly leaderId: string | undefined }
  | { readonly kind: 'answer'; readonly which: number; readonly parts: readonly number[] }
  | { readonly kind: 'garble'; readonly which: number }
  | { readonly kind: 'fail'; readonly which: number; readonly code: OperationalCode }
  | { readonly kind: 'apply'; readonly by: number }
  | { readonly kind: 'abandon'; readonly which: number }
  | { readonly kind: 'pause' }
  | { readonly kind: 'stop' };

type Question = {
  readonly numbers: readonly number[];
  readonly settle: (answer: Uint8Array | OperationalError) => void;
};

class World {
  readonly intake: Intake;
  readonly forwarder: Forwarder;
  readonly tickets: Ticket[] = [];
  readonly heard: string[][] = [];
  /** What was seen where nobody would hear of a throw. */
  readonly violations: string[] = [];
  /** The leader may have carried it out, and has not said. */
  readonly inDoubt = new Set<number>();
  /** Answered, and not applied here yet. */
  readonly answered = new Map<number, number>();
  questions: Question[] = [];
  applied = 0;
  #position = 0;

  constructor() {
    const peers: Pick<PeerNetwork, 'ask'> = {
      ask: (_id, _kind, payload, signal) => this.#asked(payload, signal),
    };
    const bounds = { commandsMax: 1e6, bytesMax: 1e9 };
    this.intake = new Intake(bounds, () => this.forwarder.wake());
    this.intake.open();
    this.forwarder = new Forwarder({
      intake: this.intake,
      peers,
      position: () => this.applied,
      onTrouble: () => undefined,
    });
  }

  get isBusy(): boolean {
    return this.violations.length === 0 && this.intake.commands + this.forwarder.unanswered > 0;
  }

  get inFlight(): number[] {
    return this.questions.flatMap(({ numbers }) => numbers);
  }

  ask(events: number): void {
    const number = this.tickets.length;
    const heard: string[] = [];
    this.heard.push(heard);
    const ticket = this.intake.ask(commandOf(number, events), {
      accepted: ({ position, outcome }) => {
        heard.push(`at ${position}`);
        this.#expect(position <= this.applied, 'told before it was applied here');
        this.#expect(outcome.codes.length === events, 'the codes are its own');
      },
      failed: ({ code }) => {
        heard.push(code);
        const isUnknown = OPERATIONAL_ERRORS[code].outcome === 'unknown';
        this.#expect(isUnknown || !this.inDoubt.has(number), 'it may have happened');
      },
    });
    this.tickets.push(ticket);
  }

  /** The leader that was asked gets the commands in order, and none before an earlier one. */
  #asked(payload: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const commands = decodeForwarded(payload);
    if (typeof commands === 'string') return Promise.reject(new Error(commands));
    const numbers = commands.map(numberOf);
    const isElsewhere = new Set([...this.inFlight, ...this.answered.keys()]);
    for (const [index, number] of numbers.entries()) {
      this.#expect(!isElsewhere.has(number), 'it is in one place');
      this.#expect(number > (numbers[index - 1] ?? -1), 'a question is in the order of asking');
    }
    const [first = 0] = numbers;
    this.#expect(
      this.inFlight.every((other) => other < first),
      'what is under way was asked before',
    );
    for (let other = 0; other < first; other++) {
      if (this.heard[other]?.length === 0)
        this.#expect(isElsewhere.has(other), 'no one is overtaken');
    }
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const question: Question = {
      numbers,
      settle: (answer) => {
        this.questions = this.questions.filter((each) => each !== question);
        if (answer instanceof OperationalError) reject(answer);
        else resolve(answer);
      },
    };
    this.questions.push(question);
    signal.addEventListener('abort', () => {
      if (!this.questions.includes(question)) return;
      for (const number of numbers) this.inDoubt.add(number);
      question.settle(new OperationalError('OUTCOME_UNKNOWN'));
    });
    return promise;
  }

  #expect(holds: boolean, what: string): void {
    if (!holds) this.violations.push(what);
  }

  /** Part 0 = carried out; otherwise one of the failures. */
  answer(question: Question, parts: readonly number[]): void {
    const told = question.numbers.map((number, index): ForwardedPart => {
      const failure = FAILURES[(parts[index % parts.length] ?? 0) - 1];
      if (failure !== undefined) {
        if (isDoubtful(failure)) this.inDoubt.add(number);
        return failureOf(new OperationalError(failure));
      }
      const position = ++this.#position;
      if (!this.tickets[number]!.settled && position > this.applied) {
        this.answered.set(number, position);
      }
      const { kind, eventCount } = this.tickets[number]!.command;
      const codes = new Uint16Array(eventCount);
      return { position, outcome: { kind, timeNs: 1n, codes, expired: 0 } };
    });
    question.settle(encodeAnswers(told));
  }

  fail(question: Question, code: OperationalCode): void {
    if (isDoubtful(code)) for (const number of question.numbers) this.inDoubt.add(number);
    question.settle(new OperationalError(code));
  }

  garble(question: Question): void {
    for (const number of question.numbers) this.inDoubt.add(number);
    question.settle(new Uint8Array(7));
  }

  apply(by: number): void {
    this.applied += by;
    for (const [number, position] of this.answered) {
      if (position <= this.applied) this.answered.delete(number);
    }
    this.forwarder.applied(this.applied);
  }

  abandon(which: number): void {
    const number = which % Math.max(1, this.tickets.length);
    const ticket = this.tickets[number];
    if (ticket === undefined || ticket.settled) return;
    const isSent = this.inFlight.includes(number) || this.answered.has(number);
    ticket.abandon();
    const expected = isSent || this.inDoubt.has(number) ? 'OUTCOME_UNKNOWN' : 'OVERLOADED';
    assert.deepEqual(this.heard[number], [expected]);
    this.answered.delete(number);
  }
}

/** What leaves open whether it happened, once it was with that leader. */
function isDoubtful(code: OperationalCode): boolean {
  return code === 'OUTCOME_UNKNOWN' || (code.startsWith('JOURNAL_') && code !== 'JOURNAL_FULL');
}

function take(world: World, step: Step): void {
  const which = 'which' in step ? step.which % Math.max(1, world.questions.length) : 0;
  const question = world.questions[which];
  switch (step.kind) {
    case 'ask':
      return world.ask(step.events);
    case 'toward':
      return world.forwarder.toward(step.leaderId);
    case 'answer':
      return question && world.answer(question, step.parts);
    case 'garble':
      return question && world.garble(question);
    case 'fail':
      return question && world.fail(question, step.code);
    case 'apply':
      return world.apply(step.by);
    case 'abandon':
      return world.abandon(step.which);
    case 'pause':
      return mock.timers.tick(250);
    case 'stop':
      world.forwarder.stop();
      assert.deepEqual(world.questions, []);
      return undefined;
  }
}

const created = fc.constant([0]);
const mixed = fc.array(fc.nat(FAILURES.length), { minLength: 1, maxLength: 4 });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('ask'),
      events: fc.oneof({ weight: 20, arbitrary: fc.constant(1) }, fc.constant(5000)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('toward'),
      leaderId: fc.constantFrom('one', 'one', 'two', undefined),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('answer'),
      which: fc.nat(7),
      parts: fc.oneof(created, mixed),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('fail'),
      which: fc.nat(7),
      code: fc.constantFrom(...FAILURES),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('garble'), which: fc.nat(7) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('apply'), by: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('abandon'), which: fc.nat(500) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pause') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop') }) },
);

async function turn(): Promise<void> {
  for (let count = 0; count < 2; count++) await new Promise((resolve) => setImmediate(resolve));
}

/** What was answered has been heard; what arrived has not been sent yet. */
async function settled(): Promise<void> {
  for (let count = 0; count < 4; count++) await Promise.resolve();
}

test('whatever happens: every caller hears once, in order, and nothing false', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(anyStep, fc.boolean()), { maxLength: 120, size: 'max' }),
      async (steps) => {
        const world = new World();
        for (const [step, isTurnOver] of steps) {
          take(world, step);
          if (isTurnOver) await turn();
          else await settled();
        }
        await turn();
        world.forwarder.toward('one');
        for (let round = 0; world.isBusy && round < 1000; round++) {
          mock.timers.tick(250);
          await turn();
          for (const question of world.questions) world.answer(question, [0]);
          await turn();
          world.apply(1000);
        }
        assert.deepEqual(world.violations, []);
        for (const heard of world.heard) assert.equal(heard.length, 1);
      },
    ),
    { numRuns: 300 },
  );
  mock.timers.reset();
});
