// A stored run: the same commands must give the same outcomes and the same image for ever, because
// journals that people keep are replayed by later releases. The digests below change only together
// with a new rules version (or, before the first release, with a reason in the commit).

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { KernelBooks } from '../model/kernel-books.ts';
import { SeededLoad } from './seeded-load.ts';

const GOLDEN = {
  commands: '296225079a191b932750b2e846e647272cb1c65a1d97ceca6f1e9740adab82f5',
  outcomes: '23c0ab14011bd9ad2e1f10c97aecd3066ce23d14265a29601a0e61230226171f',
  image: '9c804bf5d39b46e0a30ec020d6b8538d3ec7a05b0d6c5f460a644476810d3b7b',
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
