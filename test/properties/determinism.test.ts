// The state is a pure function of the commands: the same ones give the same bytes, an image read
// back goes on as if nothing had been (I8, I9, I10, I28), and what cannot be read changes nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { type Command, CommandKind, configureCommand } from '../../src/domain/commands.ts';
import { lookAhead } from '../../src/domain/domain.ts';
import { KernelBooks } from '../model/kernel-books.ts';
import { NaiveLedger } from '../model/naive-ledger.ts';
import { isUnreadable, Pair, playOnKernel, propertyRuns, sentBy } from './pair.ts';
import { scripts } from './script.ts';

test('the same commands give the same outcomes and byte-equal images', () => {
  fc.assert(
    fc.property(scripts(), (script) => {
      const sent = sentBy(script);
      const [first, second] = [new KernelBooks(), new KernelBooks()];
      assert.deepEqual(playOnKernel(first, sent), playOnKernel(second, sent));
      assert.equal(first.imageDigest(), second.imageDigest());
      // Looking at a state does not change it.
      assert.equal(first.imageDigest(), second.imageDigest());
    }),
    { numRuns: propertyRuns(0.25) },
  );
});

test('an image read back at any point is byte-equal and goes on equally', () => {
  fc.assert(
    fc.property(scripts(), fc.boolean(), fc.nat(), (script, imports, point) => {
      const sent = sentBy(script, imports);
      const cut = point % (sent.length + 1);
      const original = new KernelBooks();
      playOnKernel(original, sent.slice(0, cut));
      const restored = original.restored();
      assert.equal(restored.imageDigest(), original.imageDigest());
      restored.assertBalanced();
      assert.deepEqual(
        playOnKernel(restored, sent.slice(cut)),
        playOnKernel(original, sent.slice(cut)),
      );
      assert.equal(restored.imageDigest(), original.imageDigest());
      restored.assertBalanced();
    }),
    { numRuns: propertyRuns(0.5) },
  );
});

test('the kernel and the model still agree when the kernel is restored after every command', () => {
  fc.assert(
    fc.property(scripts(12), fc.boolean(), (script, imports) => {
      const pair = new Pair({ opened: true, imports });
      for (const step of script) {
        pair.kernel = pair.kernel.restored();
        pair.step(step);
      }
    }),
    { numRuns: propertyRuns(0.1) },
  );
});

const junkValue = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 0, 1, 1.5, 978, 2 ** 32, 2 ** 53, 1e300, '', '0', '-1'),
  fc.constantFrom<unknown>('0'.repeat(32), 'F'.repeat(32), 'EUR', '18446744073709551616', [], {}),
);

function bent(valid: Readonly<Record<string, unknown>>): fc.Arbitrary<unknown> {
  const names = [...Object.keys(valid), 'surplus', '__proto__'];
  return fc
    .record({ name: fc.constantFrom(...names), value: junkValue, drop: fc.boolean() })
    .map(({ name, value, drop }) => {
      const entries = Object.entries(valid).filter(([key]) => key !== name);
      return Object.fromEntries(drop ? entries : [...entries, [name, value]]);
    });
}

const account = {
  id: `${'0'.repeat(31)}9`,
  ledger: 978,
  code: 1,
  flags: 0,
  user_data_128: '0'.repeat(32),
  user_data_64: '0',
  user_data_32: 0,
};
const freezing = { account: `${'0'.repeat(31)}1`, frozen: true, expected_frozen: false };
const junkJson = fc.oneof(
  bent(freezing).map((value) => JSON.stringify(value)),
  bent({ ...account, flags: 16, timestamp_ns: '5' }).map((value) =>
    JSON.stringify({ accounts: [value] }),
  ),
  fc.json(),
  bent({}).map((value) => JSON.stringify(value)),
  bent(account).map((value) => JSON.stringify({ accounts: [value] })),
  bent({ accounts: [account] }).map((value) => JSON.stringify(value)),
  bent({ ledger: 5, currency: 'ABC', exponent: 2 }).map((value) =>
    JSON.stringify({ ledgers: [value] }),
  ),
  bent({ expected_version: 0, dedupe_window_seconds: 60, rules_version: 1 }).map((value) =>
    JSON.stringify(value),
  ),
);
const junkCommand: fc.Arbitrary<Command> = fc.record({
  kind: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...Object.values(CommandKind)) },
    { weight: 1, arbitrary: fc.nat(0xffff) },
  ),
  eventCount: fc.constantFrom(0, 1, 1, 1, 2, 3),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    junkJson.map((text) => new TextEncoder().encode(text)),
  ),
});

test('a command that cannot be read is refused and changes nothing but the time', () => {
  fc.assert(
    fc.property(scripts(8), junkCommand, (script, command) => {
      const sent = sentBy(script);
      const kernel = new KernelBooks();
      playOnKernel(kernel, sent);
      const model = new NaiveLedger();
      for (const past of sent) model.apply(past.command, past.stamp);
      const last = sent.at(-1)!;
      const lastNs = last.stamp.timeNs + BigInt(last.command.eventCount);
      // In the middle of a second, so that the events of the command lie in one second.
      const timeNs = lastNs - (lastNs % 1_000_000_000n) + 1_500_000_000n;
      const position = last.stamp.position + 1;
      const twin = kernel.restored();
      const stamp = { position, timeNs, rulesVersion: 1 };
      const { codes } = kernel.apply(command, stamp);
      const readable = !isUnreadable(model.apply(command, stamp).codes);
      assert.equal(!isUnreadable(codes), readable, 'both can read the same commands');
      fc.pre(!readable);
      // A change for a version that will never be is refused: it only lets time pass, as it should.
      const passing = configureCommand({ expected_version: 1_000_000 });
      const lastEventNs = timeNs + BigInt(Math.max(command.eventCount, 1) - 1);
      twin.apply(passing, { position, timeNs: lastEventNs, rulesVersion: 1 });
      assert.equal(kernel.imageDigest(), twin.imageDigest());
    }),
    { numRuns: propertyRuns() },
  );
});

test('an event count that no command has is refused, whatever the payload', () => {
  for (const kind of [...Object.values(CommandKind), 0, 77]) {
    const kernel = new KernelBooks();
    const payload = new TextEncoder().encode('{}');
    const { codes } = kernel.apply(
      { kind, eventCount: 0xffff_ffff, payload },
      { position: 1, timeNs: 10_000_000_000n, rulesVersion: 1 },
    );
    assert(codes.length >= 1);
    assert(isUnreadable(codes) || kind === CommandKind.tick, `kind ${kind}`);
    assert.equal(kernel.counts().accounts, 0);
  }
});

test('what is looked at before its turn gives what it would have given without', () => {
  const looks = fc.array(fc.constantFrom('not', 'before', 'too early'), { minLength: 1 });
  fc.assert(
    fc.property(scripts(), fc.boolean(), looks, (script, imports, plan) => {
      const sent = sentBy(script, imports);
      const [plain, looking] = [new KernelBooks(), new KernelBooks()];
      for (const [index, { command, stamp }] of sent.entries()) {
        const look = plan[index % plan.length];
        // Looked at, and then another one comes first: it may open accounts.
        const next = sent[index + 1];
        if (look === 'before') lookAhead(looking.state, command);
        if (look === 'too early' && next !== undefined) lookAhead(looking.state, next.command);
        assert.deepEqual(looking.apply(command, stamp), plain.apply(command, stamp));
      }
      assert.equal(looking.imageDigest(), plain.imageDigest());
    }),
    { numRuns: propertyRuns(0.5) },
  );
});
