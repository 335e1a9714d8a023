// Where each operation of a history stands in the one order of everything: from the journal's own
// commands when they can be read, otherwise from positions and timestamps. Here unknown answers are
// resolved: an operation without an answer either has a place (it was done) or has none.

import { assertNever } from '../../src/base/assert.ts';
import { CommandKind } from '../../src/domain/commands.ts';
import { CREATED } from '../../src/domain/refusals.ts';
import {
  type FinalReads,
  type JournalCommand,
  type Operation,
  type Placed,
  requestCommand,
} from './history.ts';

export type Placing = {
  readonly placed: readonly Placed[];
  /** The place of an operation is its index in `placed`. */
  readonly mismatches: readonly string[];
};

/** Kinds of commands that stand in a journal only because somebody asked. */
const ASKED_FOR: ReadonlySet<number> = new Set([
  CommandKind.transfers,
  CommandKind.accounts,
  CommandKind.accountFlags,
]);

/** Gives each command of the journal the operation that sent it, byte for byte. */
export function placeByJournal(
  operations: readonly Operation[],
  journal: readonly JournalCommand[],
): Placing {
  const mismatches: string[] = [];
  const owners: (Operation | undefined)[] = journal.map(() => undefined);
  const indexesByKey = new Map<string, number[]>();
  for (const [index, { command }] of journal.entries()) {
    const key = commandKey(command);
    indexesByKey.set(key, [...(indexesByKey.get(key) ?? []), index]);
  }
  const freeIndexes = (operation: Operation): number[] =>
    (indexesByKey.get(commandKey(requestCommand(operation.request))) ?? []).filter(
      (index) => owners[index] === undefined,
    );
  const byInvocation = [...operations].sort((a, b) => a.invokedAtMs - b.invokedAtMs);
  for (const operation of byInvocation) {
    const { answer, label } = operation;
    if (answer.kind !== 'answered') continue;
    const index = freeIndexes(operation).find(
      (free) => journal[free]!.position === answer.position,
    );
    if (index === undefined) {
      mismatches.push(
        `${label}: answered at position ${answer.position}, but the journal has no such command there`,
      );
    } else {
      owners[index] = operation;
    }
  }
  // Without an answer only the invocation binds in real time. Where one request was sent more often
  // than it stands in the journal, the earliest sendings have the places, in order.
  for (const operation of byInvocation) {
    if (operation.answer.kind !== 'unknown') continue;
    const index = freeIndexes(operation)[0];
    if (index !== undefined) owners[index] = operation;
  }
  const denied = new Map(
    operations
      .filter(({ answer }) => answer.kind === 'not-executed')
      .map((operation) => [commandKey(requestCommand(operation.request)), operation.label]),
  );
  for (const [index, { command, position }] of journal.entries()) {
    if (owners[index] !== undefined) continue;
    const label = denied.get(commandKey(command));
    if (label !== undefined) {
      mismatches.push(
        `${label}: answered as not executed, but stands in the journal at position ${position}`,
      );
    } else if (ASKED_FOR.has(command.kind)) {
      mismatches.push(`position ${position}: a command that no request explains`);
    }
  }
  const placed = journal.map((command, index) => ({ ...command, operation: owners[index] }));
  return { placed, mismatches };
}

/**
 * Without a journal: answered operations stand by position, and the timestamps of what they created
 * say when; an unknown one was done when something that only it can have created is there at the
 * end. Where nothing was created, the time lies between the neighbours and near the invocation.
 */
export function placeByReads(operations: readonly Operation[], final: FinalReads): Placing {
  const mismatches: string[] = [];
  const claimed = new Set<string>();
  const candidates: Candidate[] = [];
  const byInvocation = [...operations].sort((a, b) => a.invokedAtMs - b.invokedAtMs);
  for (const operation of byInvocation) {
    const { answer } = operation;
    if (answer.kind !== 'answered') continue;
    const events = eventTimes(operation, final);
    let timeNs: bigint | undefined;
    for (const [index, { key, timestampNs }] of events.entries()) {
      if (answer.codes[index] !== CREATED) continue;
      claimed.add(key);
      const told = answer.timestampsNs?.[index] ?? timestampNs;
      if (timeNs === undefined && told !== undefined) timeNs = told - BigInt(index);
    }
    candidates.push({ operation, position: answer.position, timeNs });
  }
  candidates.sort(beforeByPosition);
  const done = fillTimes(candidates);
  for (const operation of byInvocation) {
    if (operation.answer.kind !== 'unknown') continue;
    const events = eventTimes(operation, final);
    const index = events.findIndex(
      ({ key, timestampNs }) => timestampNs !== undefined && !claimed.has(key),
    );
    if (index === -1) continue;
    for (const { key, timestampNs } of events) if (timestampNs !== undefined) claimed.add(key);
    done.push({ operation, position: 0, timeNs: events[index]!.timestampNs! - BigInt(index) });
  }
  done.sort((a, b) => (a.timeNs < b.timeNs ? -1 : a.timeNs > b.timeNs ? 1 : 0));
  const placed: Placed[] = [];
  let endNs = 0n;
  let position = 0;
  for (const { operation, timeNs, position: answered } of done) {
    const command = requestCommand(operation.request);
    if (timeNs < endNs)
      mismatches.push(`${operation.label}: its timestamps interleave with others`);
    if (answered !== 0 && answered < position) {
      mismatches.push(`${operation.label}: its timestamps and its position ${answered} disagree`);
    }
    position = Math.max(position, answered);
    endNs = timeNs + BigInt(command.eventCount);
    placed.push({ position, timeNs, rulesVersion: 1, command, operation });
  }
  return { placed, mismatches };
}

type Candidate = {
  readonly operation: Operation;
  readonly position: number;
  readonly timeNs: bigint | undefined;
};

function beforeByPosition(a: Candidate, b: Candidate): number {
  if (a.position !== b.position) return a.position - b.position;
  if (a.timeNs !== undefined && b.timeNs !== undefined) return a.timeNs < b.timeNs ? -1 : 1;
  return a.operation.invokedAtMs - b.operation.invokedAtMs;
}

function fillTimes(candidates: readonly Candidate[]): (Candidate & { readonly timeNs: bigint })[] {
  let endNs = 0n;
  return candidates.map((candidate, index) => {
    const eventCount = BigInt(requestCommand(candidate.operation.request).eventCount);
    let timeNs = candidate.timeNs;
    if (timeNs === undefined) {
      const nextNs = candidates.slice(index + 1).find((next) => next.timeNs !== undefined)?.timeNs;
      timeNs = BigInt(Math.floor(candidate.operation.invokedAtMs)) * 1_000_000n;
      if (nextNs !== undefined && timeNs > nextNs - eventCount) timeNs = nextNs - eventCount;
      if (timeNs < endNs) timeNs = endNs;
    }
    endNs = timeNs + eventCount;
    return { ...candidate, timeNs };
  });
}

/** What each event would have created, by name, and its timestamp when it is there at the end. */
function eventTimes(
  { request }: Operation,
  final: FinalReads,
): { readonly key: string; readonly timestampNs: bigint | undefined }[] {
  switch (request.kind) {
    case 'transfers':
      return request.transfers.map(({ id }) => {
        const found = final.transfers.get(id);
        const timestampNs = found?.state === 'accepted' ? found.timestampNs : undefined;
        return { key: `transfer ${id}`, timestampNs };
      });
    case 'accounts':
      return request.accounts.map((input) => {
        const id = BigInt(`0x${input.id}`);
        const found = final.accounts.find((account) => account.id === id);
        return { key: `account ${id}`, timestampNs: found?.timestampNs };
      });
    case 'ledgers':
    case 'account-flags':
      return [];
    default:
      return assertNever(request, 'a request is of a known kind');
  }
}

function commandKey(command: JournalCommand['command']): string {
  return `${command.kind} ${Buffer.from(command.payload).toString('base64')}`;
}
