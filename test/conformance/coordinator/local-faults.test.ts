// What only the local driver can do wrong: kill somebody, believe a file that a dead process left,
// or depend on room on the disk.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createCoordinator } from '../../../src/drivers/local/driver.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';
import type { ClusterUnderTest } from './harness.ts';
import { MemberProcess } from './member-process.ts';
import { FOREVER, Members, isHeld, seesMembers, watch } from './support.ts';

const SESSION_MS = 300;

type Rig = { readonly folder: string; readonly members: Members; readonly told: string[] };

async function withFolder(body: (rig: Rig) => Promise<void>): Promise<void> {
  await using temporary = await TemporaryFolder.make();
  const folder = join(temporary.path, 'cluster');
  const options = { folder, sessionMs: SESSION_MS };
  const told: string[] = [];
  const cluster: ClusterUnderTest = {
    choice: { driver: 'local', options },
    create: () => createCoordinator({ ...options, log: (_level, text) => told.push(text) }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  await using members = new Members(cluster);
  await body({ folder, members, told });
}

void describe('the local coordinator', () => {
  void it('kills a frozen process only when it holds what others wait for', () =>
    withFolder(async ({ members, told }) => {
      const { choice } = members.cluster;
      const [a, b] = [await members.join('a'), await members.join('b')];
      await using bystander = await MemberProcess.open(choice, 'bystander');
      await using holder = await MemberProcess.open(choice, 'holder');
      await seesMembers(a, ['a', 'b', 'bystander', 'holder']);
      holder.campaign();
      await holder.granted();
      await bystander.freeze();
      const next = watch(a.campaign(FOREVER));
      await seesMembers(b, ['a', 'b', 'holder']);
      await holder.freeze();
      await until(() => holder.isEnded, 'the frozen holder is killed');
      await until(next.isSettled, 'the next one');
      assert.equal(bystander.isEnded, false);
      assert.match(told.join('\n'), /\(holder\) holds .* is killed/);
      bystander.thaw();
      await seesMembers(a, ['a', 'b', 'bystander']);
    }));

  void it('takes a number that is used again for another process, and leaves it alone', () =>
    withFolder(async ({ folder, members }) => {
      const { choice } = members.cluster;
      const a = await members.join('a');
      await using process = await MemberProcess.open(choice, 'p');
      await seesMembers(a, ['a', 'p']);
      const paths = (await readdir(join(folder, 'members'))).map((name) =>
        join(folder, 'members', name),
      );
      // As left by a dead process whose number the other one has now; with half of another beside.
      const records = paths.map((path) => fs.readFileSync(path, 'utf8'));
      const record = JSON.parse(records.find((text) => text.includes('"p"'))!) as object;
      const stale = join(folder, 'members', 'stale.json');
      await writeFile(`${stale}.partial`, '{"id"');
      await writeFile(stale, JSON.stringify({ ...record, id: 'stale', startTime: 1 }));
      await writeFile(join(folder, 'members', 'foreign.json'), 'not one of ours');
      await until(() => !fs.existsSync(stale), 'the stale file is gone');
      assert.equal(fs.existsSync(`${stale}.partial`), false);
      await seesMembers(a, ['a', 'p']);
      assert.equal(process.isEnded, false);
    }));

  void it('measures silence by its own clock: a wall clock that jumped makes nobody frozen', () =>
    withFolder(async ({ folder, members }) => {
      const a = await members.join('a');
      await members.join('b');
      await seesMembers(a, ['a', 'b']);
      const seen: number[] = [];
      a.subscribe(() => seen.push(a.members().length));
      for (let round = 0; round < 12; round++) {
        for (const name of await readdir(join(folder, 'members'))) {
          const time = new Date(Date.UTC(round % 2 === 0 ? 1990 : 2099, 0));
          await utimes(join(folder, 'members', name), time, time);
        }
        // Looks before the other one shows its next sign of life.
        a.update(`look-${round}`);
        await until(() => a.members()[0]?.detail === `look-${round}`, 'the look');
      }
      assert.ok(seen.every((count) => count === 2));
    }));

  void it('gives the candidacy up when the file of its lock was removed', () =>
    withFolder(async ({ folder, members }) => {
      const a = await members.join('a');
      const candidacy = await a.campaign(FOREVER);
      await rm(join(folder, 'line.sqlite'));
      assert.match(await candidacy.lost, /removed/);
      assert.ok(!isHeld(candidacy));
      assert.ok(isHeld(await a.campaign(FOREVER)));
    }));

  void it('makes its folder again when somebody removed it', () =>
    withFolder(async ({ folder, members }) => {
      const [a, b] = [await members.join('a'), await members.join('b')];
      await rm(folder, { recursive: true });
      await until(async () => {
        const names = await readdir(join(folder, 'members')).catch(() => []);
        return names.length === 2;
      }, 'both are there again');
      await seesMembers(a, ['a', 'b']);
      await seesMembers(b, ['a', 'b']);
    }));

  void it('refuses what cannot be used, and says what to do', () =>
    withFolder(async ({ folder, members }) => {
      await writeFile(folder, 'a file, not a folder');
      await assert.rejects(members.join('a'), (error) =>
        isOperationalError(error, 'DATA_FOLDER_UNUSABLE'),
      );
      const log = (): void => undefined;
      for (const sessionMs of [0, 99, 60_001, Number.NaN]) {
        assert.throws(
          () => createCoordinator({ folder, sessionMs, log }),
          (error) => isOperationalError(error, 'CONFIGURATION_INVALID'),
        );
      }
    }));
});

/** No room for any file below the folder, as a full disk has it: ENOSPC for whoever writes one. */
function fullDisk(folder: string): Disposable {
  const { writeFile: write } = fs.promises;
  const { writeFileSync } = fs;
  const refuse = (path: unknown): void => {
    if (!String(path).startsWith(folder)) return;
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  };
  fs.promises.writeFile = async (path, ...more) => {
    refuse(path);
    await write(path, ...more);
  };
  fs.writeFileSync = (path, ...more) => {
    refuse(path);
    writeFileSync(path, ...more);
  };
  syncBuiltinESMExports();
  return {
    [Symbol.dispose]: () => {
      fs.promises.writeFile = write;
      fs.writeFileSync = writeFileSync;
      syncBuiltinESMExports();
    },
  };
}

void describe('the local coordinator on a full disk', () => {
  void it('keeps members and line, says so, and makes up for the rest when there is room', () =>
    withFolder(async ({ folder, members }) => {
      const { choice } = members.cluster;
      const [a, b] = [await members.join('a', 'old'), await members.join('b')];
      await seesMembers(b, ['a', 'b']);
      await using process = await MemberProcess.open(choice, 'p');
      process.campaign();
      await process.granted();
      const disk = fullDisk(folder);
      let note: ReturnType<typeof watch>;
      try {
        a.update('new');
        note = watch(a.noteLeader({ epoch: 1, memberId: 'a', detail: '' }, FOREVER));
        await until(() => !a.health().connected, 'it says so');
        assert.match(a.health().reason, /ENOSPC/);
        // Not for want of signs of life, nor of a lock.
        const next = a.campaign(FOREVER);
        await process.kill();
        assert.ok(isHeld(await next));
        await seesMembers(b, ['a', 'b']);
        const giveUp = new AbortController();
        const opening = members.create().open({ id: 'c', detail: '' }, giveUp.signal);
        giveUp.abort(new Error('given up'));
        await assert.rejects(opening, /given up/);
        assert.equal(note.isSettled(), false);
      } finally {
        disk[Symbol.dispose]();
      }
      await until(note.isSettled, 'the note');
      await until(() => b.members()[0]?.detail === 'new', 'the change of detail');
      await until(() => a.health().connected, 'health');
      await until(() => b.leader()?.epoch === 1, 'the note is seen');
    }));
});
