// Where each operation of a history stands when no journal can be read: told by positions and
// timestamps. Here unknown answers are resolved: an operation without an answer either has a place
// (it was done) or has none.

import { assertNever } from '../../src/base/assert.ts';
import { CREATED } from '../../src/domain/refusals.ts';
import {
  type FinalReads,
  type Operation,
  type Placed,
  type Placing,
  requestCommand,
} from './history.ts';

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
    placed.push({ position, timeNs, rulesVersion: 1, command, operation, isHidden: false });
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
