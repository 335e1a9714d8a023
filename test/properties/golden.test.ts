// A stored run: the same commands must give the same outcomes and the same image for ever, because
// journals that people keep are replayed by later releases. The digests below change only together
// with a new rules version (or, before the first release, with a reason in the commit).

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { KernelBooks } from '../model/kernel-books.ts';
import { SeededLoad } from './seeded-load.ts';

const GOLDEN = {
  commands: 'c7078a1d967d1c2e1e0d2c9e8d77770cc859b35c875fa27ca5cb332d8eae942a',
  outcomes: '3c5676ea8aae37c4a9f7d2b039e29a6fca013c00d5f4003bf84183fb7886f111',
  image: '6600082ad1a7ff340666e9261e74ebdaa0e9f4f4079286fedc6c5efc762b3a4c',
};

test('a stored run of commands gives the stored outcomes and the stored image', () => {
  const kernel = new KernelBooks();
  const [commands, outcomes] = [createHash('sha256'), createHash('sha256')];
  for (const { command, stamp } of new SeededLoad(20_260_105, 300).commands(40)) {
    commands.update(`${command.kind} ${command.eventCount} ${stamp.timeNs}\n`);
    commands.update(command.payload);
    const { kind, timeNs, codes, expired } = kernel.apply(command, stamp);
    outcomes.update(`${kind} ${timeNs} ${expired} ${[...codes].join(' ')}\n`);
  }
  kernel.assertBalanced();
  const actual = {
    commands: commands.digest('hex'),
    outcomes: outcomes.digest('hex'),
    image: kernel.imageDigest(),
  };
  assert.equal(
    actual.commands,
    GOLDEN.commands,
    'the commands of the stored run are others: the generator was changed, not apply',
  );
  assert.deepEqual(
    actual,
    GOLDEN,
    'changing apply needs a rulesVersion gate, a scenario and a new golden value',
  );
});
