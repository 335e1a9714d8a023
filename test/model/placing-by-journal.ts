// Where each operation of a history stands, told by the journal: every command in it is given the
// request that sent it, byte for byte. In a cluster one request may stand there more than once: a
// standby sends it again to the next leader when the first was lost with its answer. Such a hidden
// execution needs a request whose answer was told of a later one, or never.

import { hash } from 'node:crypto';
import { type Command, CommandKind } from '../../src/domain/commands.ts';
import {
  type JournalCommand,
  type Operation,
  type Placed,
  type Placing,
  requestCommand,
} from './history.ts';

/** Kinds of commands that stand in a journal only because somebody asked. */
const ASKED_FOR: ReadonlySet<number> = new Set([
  CommandKind.transfers,
  CommandKind.accounts,
  CommandKind.accountFlags,
]);

export type JournalPlacingOptions = {
  /** One request may stand in the journal more than once (`History.resends`). */
  readonly resends: boolean;
  /**
   * What the commands at these indexes of the journal come to by the rules. Asked only where equal
   * commands stand in one entry: only their outcomes tell which of them was answered.
   */
  readonly codesAt: (indexes: ReadonlySet<number>) => ReadonlyMap<number, Uint16Array>;
};

/** Equal commands in the journal, and the requests that can have sent them. */
type Equals = {
  /** Indexes in the journal, ascending. */
  readonly slots: number[];
  /** By invocation. */
  readonly operations: Operation[];
};

export function placeByJournal(
  operations: readonly Operation[],
  journal: readonly JournalCommand[],
  options: JournalPlacingOptions,
): Placing {
  return new JournalPlacing(journal, options).place(operations);
}

class JournalPlacing {
  readonly #journal: readonly JournalCommand[];
  readonly #options: JournalPlacingOptions;
  readonly #owners: (Operation | undefined)[];
  readonly #hidden = new Set<number>();
  /** Index of the execution that each answer tells of. */
  readonly #answering = new Map<Operation, number>();
  readonly #mismatches: string[] = [];

  constructor(journal: readonly JournalCommand[], options: JournalPlacingOptions) {
    this.#journal = journal;
    this.#options = options;
    this.#owners = journal.map(() => undefined);
  }

  place(operations: readonly Operation[]): Placing {
    const groups = this.#groups(operations);
    this.#placeAnswered(groups);
    const deadlinesMs = this.#deadlinesMs();
    for (const group of groups) this.#explainOthers(group, deadlinesMs);
    const placed = this.#journal.map(
      (command, index): Placed => ({
        ...command,
        operation: this.#owners[index],
        isHidden: this.#hidden.has(index),
      }),
    );
    return { placed, mismatches: this.#mismatches };
  }

  #groups(operations: readonly Operation[]): readonly Equals[] {
    const groups = new Map<string, Equals>();
    for (const [index, { command }] of this.#journal.entries()) {
      if (!ASKED_FOR.has(command.kind) && command.kind !== CommandKind.ledgers) continue;
      const key = commandKey(command);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { slots: [index], operations: [] });
      else group.slots.push(index);
    }
    const byInvocation = [...operations].sort((a, b) => a.invokedAtMs - b.invokedAtMs);
    for (const operation of byInvocation) {
      const group = groups.get(commandKey(requestCommand(operation.request)));
      if (group === undefined) this.#missing(operation);
      else group.operations.push(operation);
    }
    return [...groups.values()];
  }

  /** An answer names its entry. Where equal commands stand in that, their outcomes decide. */
  #placeAnswered(groups: readonly Equals[]): void {
    const twins: { readonly operations: Operation[]; readonly slots: number[] }[] = [];
    for (const { slots, operations } of groups) {
      const byPosition = new Map<number, Operation[]>();
      for (const operation of operations) {
        if (operation.answer.kind !== 'answered') continue;
        const { position } = operation.answer;
        const others = byPosition.get(position);
        if (others === undefined) byPosition.set(position, [operation]);
        else others.push(operation);
      }
      for (const [position, answered] of byPosition) {
        const there = slots.filter((index) => this.#journal[index]!.position === position);
        if (there.length > 1) twins.push({ operations: answered, slots: there });
        else this.#own(answered, there);
      }
    }
    if (twins.length === 0) return;
    const codes = this.#options.codesAt(new Set(twins.flatMap(({ slots }) => slots)));
    for (const { operations, slots } of twins) {
      // The latest that fits, so that those before it can be hidden executions of the same request.
      const rest = operations.toReversed().filter((operation) => {
        const index = slots.findLast((free) => isOutcome(operation, codes.get(free)!));
        if (index === undefined) return true;
        this.#own([operation], [index]);
        slots.splice(slots.indexOf(index), 1);
        return false;
      });
      this.#own(rest.reverse(), slots);
    }
  }

  /** The first has the first, and so on; for whom none is left, there is none. */
  #own(operations: readonly Operation[], slots: readonly number[]): void {
    for (const [place, operation] of operations.entries()) {
      const index = slots[place];
      if (index === undefined) {
        this.#missing(operation);
        continue;
      }
      this.#owners[index] = operation;
      this.#answering.set(operation, index);
    }
  }

  #missing({ label, answer }: Operation): void {
    if (answer.kind !== 'answered') return;
    this.#mismatches.push(
      `${label}: answered at position ${answer.position}, but the journal has no such command there`,
    );
  }

  /**
   * When the entry of each command was there at the latest: somebody had been answered from it or
   * from a later one. Whose execution stands there was asked before.
   */
  #deadlinesMs(): Float64Array {
    const deadlinesMs = new Float64Array(this.#journal.length);
    let deadlineMs = Number.POSITIVE_INFINITY;
    let end = this.#journal.length;
    while (end > 0) {
      const { position } = this.#journal[end - 1]!;
      let start = end;
      while (start > 0 && this.#journal[start - 1]!.position === position) {
        start--;
        deadlineMs = Math.min(deadlineMs, this.#owners[start]?.completedAtMs ?? deadlineMs);
      }
      deadlinesMs.fill(deadlineMs, start, end);
      end = start;
    }
    return deadlinesMs;
  }

  /** Commands that no answer tells of: of requests without an answer, or sent again. */
  #explainOthers({ slots, operations }: Equals, deadlinesMs: Float64Array): void {
    // Without an answer only the invocation binds in real time. Where one request was sent more
    // often than it stands in the journal, the earliest sendings have the places, in order.
    const unknown = operations.filter(({ answer }) => answer.kind === 'unknown');
    let used = 0;
    for (const index of slots) {
      if (this.#owners[index] !== undefined) continue;
      const next = unknown[used];
      const again = this.#options.resends ? this.#sentAgain(index, operations) : undefined;
      // Executions may be hidden as often as need be: it is best to need them seldom.
      if (next !== undefined && (!again || next.invokedAtMs <= deadlinesMs[index]!)) {
        this.#owners[index] = next;
        used++;
      } else if (again !== undefined) {
        this.#owners[index] = again;
        this.#hidden.add(index);
      } else {
        this.#unexplained(index, operations);
      }
    }
  }

  /** The earliest request that may have been sent once more after its execution at `index`. */
  #sentAgain(index: number, operations: readonly Operation[]): Operation | undefined {
    return operations.find(
      (operation) =>
        operation.answer.kind === 'unknown' || (this.#answering.get(operation) ?? -1) > index,
    );
  }

  #unexplained(index: number, operations: readonly Operation[]): void {
    const { position, command } = this.#journal[index]!;
    const denied = operations.findLast(({ answer }) => answer.kind === 'not-executed');
    const answered = operations.findLast((operation) => this.#answering.has(operation));
    if (denied !== undefined) {
      this.#mismatches.push(
        `${denied.label}: answered as not executed, ` +
          `but stands in the journal at position ${position}`,
      );
    } else if (this.#options.resends && answered !== undefined) {
      this.#mismatches.push(
        `${answered.label}: stands at position ${position} once more, after it was answered`,
      );
    } else if (ASKED_FOR.has(command.kind)) {
      this.#mismatches.push(`position ${position}: a command that no request explains`);
    }
  }
}

function isOutcome({ answer }: Operation, codes: Uint16Array): boolean {
  return (
    answer.kind === 'answered' &&
    answer.codes.length === codes.length &&
    answer.codes.every((code, index) => code === codes[index])
  );
}

/** Equal for equal bytes; a digest, because a history has many commands and large ones. */
function commandKey({ kind, payload }: Command): string {
  return `${kind} ${hash('sha256', payload, 'binary')}`;
}
