// The tools and a journal that is not in files.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TemporaryFolder } from '../../test/support/temporary-folder.ts';
import { ExitCode } from './exit-codes.ts';
import { runSeen } from './testing/run.ts';

const ON_ENGINE = { HOLDFAST_JOURNAL: 'postgres://holdfast@127.0.0.1:5432/payments' };

test('a journal on an engine has no directories to show', async () => {
  const seen = await runSeen(['journal', 'directories'], { environment: ON_ENGINE });
  assert.equal(seen.exitCode, ExitCode.usage);
  assert.match(seen.stderr, /is on an engine \(postgres:.*\) and has no directories/);
});

test('a history of nobody is not made again from an engine', async () => {
  const seen = await runSeen(['history', 'rebuild'], { environment: ON_ENGINE });
  assert.equal(seen.exitCode, ExitCode.usage);
  assert.match(seen.stderr, /name it with --node/);
});

test('a place that is none is told before anything is read', async () => {
  const environment = { HOLDFAST_JOURNAL: 'postgres://holdfast:secret@db-1:5432/payments' };
  for (const words of [
    ['journal', 'show'],
    ['journal', 'verify'],
    ['history', 'rebuild'],
    ['checkpoint', 'verify'],
  ]) {
    const seen = await runSeen(words, { environment });
    assert.equal(seen.exitCode, ExitCode.usage, words.join(' '));
    assert.match(seen.stderr, /must not hold a password/);
    assert.doesNotMatch(seen.stderr, /secret/);
  }
});

test('a password file that is not there is named, and nothing is connected to', async () => {
  await using folder = await TemporaryFolder.make();
  const file = `${folder.path}/no-such-file`;
  const environment = { ...ON_ENGINE, HOLDFAST_JOURNAL_PASSWORD_FILE: file };
  const seen = await runSeen(['journal', 'show', '--data', folder.path], { environment });
  assert.notEqual(seen.exitCode, ExitCode.ok);
  assert.match(seen.stderr, new RegExp(`password file.*${file}.*cannot be read`));
});
