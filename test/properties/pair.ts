// The kernel and the naive model side by side: every command goes to both, every answer and
// everything that can be asked of them is compared after each.

import assert from 'node:assert/strict';

import { decodeTransfers } from '../../src/base/transfer-record.ts';
import { CommandKind } from '../../src/domain/commands.ts';
import { CREATED, REFUSAL, refusalByNumber } from '../../src/domain/refusals.ts';
import { KernelBooks } from '../model/kernel-books.ts';
import { NaiveLedger } from '../model/naive-ledger.ts';
import { assertAccepted } from './accepted.ts';
import { type Hints, ScriptPlayer, type Sent, type Step } from './script.ts';
import { ACCOUNT_IDS } from './twists.ts';

export const RUNS_DEFAULT = 200;

/** HOLDFAST_PROPERTY_RUNS raises the number of runs of the properties; `share` of it. */
export function propertyRuns(share = 1): number {
  const given = Number(process.env['HOLDFAST_PROPERTY_RUNS'] ?? RUNS_DEFAULT);
  assert(Number.isSafeInteger(given) && given >= 1, 'HOLDFAST_PROPERTY_RUNS is a whole number');
  return Math.max(1, Math.floor(given * share));
}

export class Pair {
  kernel: KernelBooks;
  readonly model: NaiveLedger;
  readonly player: ScriptPlayer;

  /** `opened`: with the ledgers and accounts that scripts begin with. */
  constructor(
    options: { readonly opened: boolean; readonly imports?: boolean } = { opened: true },
  ) {
    this.player = new ScriptPlayer(options.imports);
    this.kernel = new KernelBooks();
    this.model = new NaiveLedger();
    if (options.opened) for (const sent of this.player.opening()) this.send(sent);
  }

  step(step: Step): void {
    this.send(this.player.next(step, hintsOf(this.model)));
  }

  send(sent: Sent): void {
    const { command, stamp } = sent;
    const heldBefore = new Set(this.model.holds.keys());
    const expected = this.model.apply(command, stamp);
    // The kernel gets bytes of its own, which are spoilt afterwards: it may neither write to a
    // command nor keep a view of it.
    const payload = command.payload.slice();
    const actual = this.kernel.apply({ ...command, payload }, stamp);
    assert.deepEqual(payload, command.payload, 'a command is not written to');
    assertAccepted(this.kernel.state, this.model, command, actual, heldBefore);
    payload.fill(0xee);
    const what = describeSent(sent);
    assert.deepEqual(codeNames(actual.codes), codeNames(expected.codes), what);
    assert.deepEqual(
      { kind: actual.kind, timeNs: actual.timeNs, expired: actual.expired },
      { kind: expected.kind, timeNs: expected.timeNs, expired: expected.expired },
      what,
    );
    this.compare(what);
  }

  compare(what: string): void {
    const { kernel, model } = this;
    const counts = kernel.counts();
    assert.deepEqual(
      counts,
      {
        accounts: model.accounts.size,
        holds: model.holds.size,
        remembered: model.rememberedCount,
        rememberedCapacity: model.capacity,
        edgeSeconds: model.edgeSecond,
      },
      what,
    );
    assert.equal(kernel.nextDeadlineNs(), model.nextDeadlineNs(), what);
    for (const id of ACCOUNT_IDS) assert.deepEqual(kernel.account(id), model.account(id), what);
    for (const id of this.player.ids) {
      const expected = model.transfer(id);
      const actual = kernel.transfer(id);
      assert.equal(actual?.state, expected?.state, what);
      assert.equal(actual?.hold, expected?.hold, what);
      // A refused transfer has no timestamp of its own; the rest is kept as it came.
      const timestampNs = expected?.state === 'failed' ? { timestampNs: 0n } : {};
      assert.deepEqual(
        actual && { ...actual.transfer, ...timestampNs },
        expected && { ...expected.transfer, ...timestampNs },
        what,
      );
    }
    const totals = model.totals();
    const none = { debitsPosted: 0n, creditsPosted: 0n, debitsPending: 0n, creditsPending: 0n };
    for (const { ledger, ...actual } of kernel.totals()) {
      assert.deepEqual(actual, { ...(totals.get(ledger) ?? none) }, what);
    }
  }
}

/** Plays a script on the kernel alone; the model would only say which version is current. */
export function playOnKernel(
  kernel: KernelBooks,
  sent: readonly Sent[],
): { readonly codes: number[][] } {
  return { codes: sent.map(({ command, stamp }) => [...kernel.apply(command, stamp).codes]) };
}

/** All commands of a script, opening included, with the hints that the model gives in between. */
export function sentBy(script: readonly Step[], imports = false): Sent[] {
  const player = new ScriptPlayer(imports);
  const model = new NaiveLedger();
  const all = player.opening();
  for (const { command, stamp } of all) model.apply(command, stamp);
  for (const step of script) {
    const sent = player.next(step, hintsOf(model));
    model.apply(sent.command, sent.stamp);
    all.push(sent);
  }
  return all;
}

function hintsOf(model: NaiveLedger): Hints {
  return {
    configurationVersion: model.configuration.version,
    nextDeadlineNs: model.nextDeadlineNs(),
  };
}

export function codeNames(codes: Iterable<number>): string[] {
  return [...codes].map((code) => (code === CREATED ? 'created' : refusalByNumber(code).name));
}

export function isUnreadable(codes: Uint16Array): boolean {
  return codes.every(
    (code) => code === REFUSAL.command_malformed || code === REFUSAL.command_unknown,
  );
}

function describeSent({ command, stamp }: Sent): string {
  const body =
    command.kind === CommandKind.transfers
      ? decodeTransfers(command.payload).map(
          (transfer, index) =>
            `\n  ${index}: ${Object.entries(transfer)
              .filter(([, value]) => value !== 0n && value !== 0)
              .map(([name, value]) => `${name}=${typeof value === 'bigint' ? hex(value) : value}`)
              .join(' ')}`,
        )
      : [new TextDecoder().decode(command.payload)];
  return `position ${stamp.position}, time ${stamp.timeNs}, kind ${command.kind}: ${body.join('')}`;
}

function hex(value: bigint): string {
  return value < 1000n ? String(value) : `0x${value.toString(16)}`;
}
