// The views say at every position what the naive model says: balances, totals, holds, statements,
// whatever was sent and however often whoever wrote them died in between.

import assert from 'node:assert/strict';
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { ViewsRig } from '../support/views-rig.ts';
import { propertyRuns, sentBy } from './pair.ts';
import { type Sent, scripts } from './script.ts';
import { SeededLoad } from './seeded-load.ts';

/** The plain account asks the books for each transfer, so that they must not forget at once. */
function withoutForgetting(sent: readonly Sent[]): Sent[] {
  return sent.filter(
    ({ command }) => !new TextDecoder().decode(command.payload).includes('dedupe'),
  );
}

async function play(sent: readonly Sent[], seed: number, every: number): Promise<ViewsRig> {
  await using folder = await TemporaryFolder.make();
  const rig = new ViewsRig(join(folder.path, 'views.sqlite'), seed);
  for (const [index, one] of sent.entries()) {
    rig.send(one);
    if (index % every !== 0) continue;
    while (rig.feed()) rig.compare();
  }
  while (rig.feed()) rig.compare();
  rig.compare();
  assert.equal(rig.standing.isComplete, true);
  rig.store.close();
  return rig;
}

test('views equal the naive model at every position, also after deaths at any point', async () => {
  const property = fc.asyncProperty(
    scripts(),
    fc.boolean(),
    fc.nat(),
    async (script, imports, seed) => {
      await play(withoutForgetting(sentBy(script, imports)), seed, 1 + (seed % 5));
    },
  );
  await fc.assert(property, { numRuns: propertyRuns(0.1) });
});

test('the same with many accounts, chains, holds and imports', async () => {
  for (let seed = 1; seed <= propertyRuns(0.01); seed++) {
    const sent = withoutForgetting([...new SeededLoad(seed, 60).commands(16)]);
    const rig = await play(sent, seed, 20);
    assert.ok(rig.standing.transfers > 1000);
  }
});

const DAMAGES: readonly [string, (file: string) => void, RegExp | undefined][] = [
  ['missing', (file) => rmSync(file), undefined],
  ['empty', (file) => truncateSync(file), undefined],
  ['cut', (file) => truncateSync(file, 40_000), /malformed/],
  ['no database', (file) => writeFileSync(file, 'x'.repeat(20_000)), /not a database/],
  [
    'old',
    (file) => changed(file, 'PRAGMA user_version = 77'),
    /version 77, and this release has 1/,
  ],
  ['foreign', (file) => changed(file, 'PRAGMA application_id = 5'), /not made by Holdfast/],
  ['without state', (file) => changed(file, 'DELETE FROM _state'), /do not say how far they are/],
  [
    'of another cluster',
    (file) => changed(file, `UPDATE _state SET value = 'dd' WHERE name = 'cluster_id'`),
    /another cluster or timeline/,
  ],
];

function changed(file: string, sql: string): void {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
}

test('a file that is missing, damaged or of another version is made again', async () => {
  await using folder = await TemporaryFolder.make();
  const file = join(folder.path, 'views.sqlite');
  const rig = new ViewsRig(file, 3);
  for (const sent of withoutForgetting([...new SeededLoad(5, 20).commands(2)])) rig.send(sent);
  while (rig.feed());
  const marks = rig.naive.at.map(({ mark }) => mark);
  for (const [what, damage, expected] of DAMAGES) {
    rig.store.close();
    damage(file);
    const notes = rig.restartAnew(marks).join(' ');
    if (expected === undefined) assert.equal(notes, '', what);
    else assert.match(notes, expected, what);
    while (rig.feed());
    assert.equal(rig.standing.isComplete, true);
    rig.compare();
  }
  rig.store.close();
});
