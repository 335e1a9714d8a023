// What a standby does when the journal that it followed is gone: it must not begin a new history.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOperationalError } from '../../base/errors.ts';
import { createJournal } from '../../drivers/file/driver.ts';
import { Cluster } from '../../../test/support/cluster-rig.ts';
import { FOREVER, openBooks, pay, transfer } from '../../../test/support/engine-rig.ts';
import { until } from '../../../test/support/until.ts';

test('a standby whose journal has been removed halts and does not lead with empty books', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-lost-'));
  const directory = join(folder, 'journal');
  const journal = (): ReturnType<typeof createJournal> => createJournal({ directory });
  try {
    await using cluster = new Cluster();
    const one = await cluster.start('one', { journal: journal() });
    await openBooks(one.node);
    const two = await cluster.start('two', { journal: journal() });
    await one.node.submit(pay(transfer({}, Date.now())), FOREVER);
    await cluster.untilLevel();
    await rm(directory, { recursive: true });
    cluster.kill(one);
    await until(() => two.halts.length > 0 || two.roles.includes('leading'), 'two to decide');
    assert.ok(!two.roles.includes('leading'), 'nobody leads over a journal that has lost payments');
    assert.ok(isOperationalError(two.halts[0], 'JOURNAL_DIVERGED'), String(two.halts[0]));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
