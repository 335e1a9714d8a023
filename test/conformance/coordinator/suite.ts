// The coordinator conformance suite: what every driver must pass. Members that are killed or frozen
// are real processes. A new driver brings a harness (harness.ts) and no test logic of its own.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { isOperationalError } from '../../../src/base/errors.ts';
import type { Coordinator } from '../../../src/ports/coordinator.ts';
import { until } from '../../support/until.ts';
import type { CoordinatorHarness } from './harness.ts';
import { MemberProcess } from './member-process.ts';
import { FOREVER, Members, isHeld, seesMembers, watch, withMembers } from './support.ts';

const RACE_EPOCHS = 150;

export function coordinatorConformance(name: string, harness: CoordinatorHarness): void {
  void describe(`coordinator conformance: ${name}`, () => {
    memberConformance(harness);
    lineConformance(harness);
    processConformance(harness);
    noteConformance(harness);
    endConformance(harness);
  });
}

function memberConformance(harness: CoordinatorHarness): void {
  void it('shows members to each other from joining to leaving, and every change of detail', () =>
    withMembers(harness, async (members) => {
      const a = await members.join('a', 'first');
      assert.deepEqual(
        a.members().map(({ id, detail }) => [id, detail]),
        [['a', 'first']],
      );
      const b = await members.join('b', 'second');
      await seesMembers(a, ['a', 'b']);
      await seesMembers(b, ['a', 'b']);
      const details = (): string =>
        b
          .members()
          .map(({ detail }) => detail)
          .join(' ');
      a.update('changed');
      await until(() => details() === 'changed second', 'the change of detail');
      // Of many changes at once the last one stands.
      for (let index = 0; index <= 20; index++) a.update(`change-${index}`);
      await until(() => details() === 'change-20 second', 'the last change');
      await b.close();
      await seesMembers(a, ['a']);
      assert.deepEqual(b.members(), []);
    }));

  void it('tells listeners until they are taken away', () =>
    withMembers(harness, async (members) => {
      const a = await members.join('a');
      let calls = 0;
      const unsubscribe = a.subscribe(() => {
        calls += 1;
      });
      const b = await members.join('b');
      await until(() => calls > 0, 'a call for the new member');
      unsubscribe();
      const before = calls;
      await b.close();
      await seesMembers(a, ['a']);
      assert.equal(calls, before);
    }));

  void it('is healthy while it is open', () =>
    withMembers(harness, async (members) => {
      const a = members.create();
      assert.equal(a.health().connected, false);
      await a.open({ id: 'a', detail: '' }, FOREVER);
      await until(() => a.health().connected, 'health');
      assert.ok(a.health().sinceMs > 0);
      await a.close();
      assert.equal(a.health().connected, false);
      assert.notEqual(a.health().reason, '');
    }));

  void it('shows the newer of two processes with one id, and it outlives the older', () =>
    withMembers(harness, async (members) => {
      const a = await members.join('a');
      const older = await members.join('b', 'older');
      await seesMembers(a, ['a', 'b']);
      const newer = await members.join('b', 'newer');
      const detail = (): string | undefined => a.members().find(({ id }) => id === 'b')?.detail;
      await until(() => detail() === 'newer', 'the newer one');
      await older.close();
      newer.update('newest');
      await until(() => detail() === 'newest', 'the newer one, alone');
    }));
}

function lineConformance(harness: CoordinatorHarness): void {
  void it('gives the place to the next after it was resigned, and after a close', () =>
    withMembers(harness, async (members) => {
      const [a, b, c] = [await members.join('a'), await members.join('b'), await members.join('c')];
      const first = await a.campaign(FOREVER);
      assert.ok(isHeld(first));
      const second = b.campaign(FOREVER);
      const waits = watch(second);
      await seesMembers(a, ['a', 'b', 'c']);
      assert.equal(waits.isSettled(), false);
      await first.resign();
      await first.resign();
      assert.ok(!isHeld(first));
      assert.notEqual(await first.lost, '');
      assert.ok(isHeld(await second));
      const third = c.campaign(FOREVER);
      await b.close();
      assert.notEqual(await (await second).lost, '');
      assert.ok(isHeld(await third));
      // Who resigned may stand in line again.
      const again = a.campaign(FOREVER);
      await (await third).resign();
      assert.ok(isHeld(await again));
    }));

  void it('never lets two be first', () =>
    withMembers(harness, async (members) => {
      const all = await Promise.all(['a', 'b', 'c', 'd'].map((id) => members.join(id)));
      let first = 0;
      let turns = 0;
      const compete = async (coordinator: Coordinator): Promise<void> => {
        for (let round = 0; round < 4; round++) {
          const candidacy = await coordinator.campaign(FOREVER);
          first += 1;
          turns += 1;
          assert.equal(first, 1);
          assert.ok(isHeld(candidacy));
          for (let step = 0; step < 5; step++) await turn();
          assert.equal(first, 1);
          first -= 1;
          await candidacy.resign();
        }
      };
      await Promise.all(all.map(compete));
      assert.equal(turns, 16);
    }));

  void it('leaves nothing in line of a campaign that was given up', () =>
    withMembers(harness, async (members) => {
      const [a, b] = [await members.join('a'), await members.join('b')];
      const first = await a.campaign(FOREVER);
      const reason = new Error('given up');
      for (let round = 0; round < 5; round++) {
        const giveUp = new AbortController();
        const campaign = b.campaign(giveUp.signal);
        // In each round at another moment of its way.
        for (let step = 0; step < round * 3; step++) await turn();
        giveUp.abort(reason);
        await assert.rejects(campaign, (error) => error === reason);
      }
      await first.resign();
      const again = await a.campaign(FOREVER);
      assert.ok(isHeld(again));
      await assert.rejects(b.campaign(AbortSignal.abort(reason)), (error) => error === reason);
    }));
}

function processConformance(harness: CoordinatorHarness): void {
  void it('takes a killed process from the members and from the line', () =>
    withMembers(harness, async (members) => {
      const { choice } = members.cluster;
      const a = await members.join('a');
      await using process = await MemberProcess.open(choice, 'p');
      await seesMembers(a, ['a', 'p']);
      process.campaign();
      await process.granted();
      const next = a.campaign(FOREVER);
      await process.kill();
      assert.ok(isHeld(await next));
      await seesMembers(a, ['a']);
      // The same node, started again.
      await using restarted = await MemberProcess.open(choice, 'p');
      await seesMembers(a, ['a', 'p']);
      restarted.campaign();
      await (await next).resign();
      await restarted.granted();
    }));

  void it('passes over a frozen holder, which does not count on its place when it wakes', () =>
    withMembers(harness, async (members) => {
      const { choice } = members.cluster;
      const a = await members.join('a');
      await using process = await MemberProcess.open(choice, 'p');
      process.campaign();
      await process.granted();
      await process.freeze();
      const next = await a.campaign(FOREVER);
      assert.ok(isHeld(next));
      process.thaw();
      await until(() => process.isLost || process.isEnded, 'the frozen one knows');
      assert.equal(process.wasHeldWhenLost, false);
      assert.ok(isHeld(next));
      await seesMembers(a, process.isEnded ? ['a'] : ['a', 'p']);
    }));

  void it('takes nothing from a holder that was paused for a moment', () =>
    withMembers(harness, async (members) => {
      const { choice } = members.cluster;
      const a = await members.join('a');
      await using process = await MemberProcess.open(choice, 'p');
      process.campaign();
      await process.granted();
      const next = watch(a.campaign(FOREVER));
      await process.freeze();
      process.thaw();
      await until(() => process.isHeld(), 'it holds the place as before');
      assert.equal(process.isLost, false);
      assert.equal(next.isSettled(), false);
      await process.resign();
      await until(next.isSettled, 'the next one');
    }));
}

function noteConformance(harness: CoordinatorHarness): void {
  void it('lets the note of the leader only rise, whoever writes and however often', () =>
    withMembers(harness, async (members) => {
      const ids = ['a', 'b', 'c'];
      const all = await Promise.all(ids.map((id) => members.join(id)));
      assert.equal(all[0]!.leader(), undefined);
      for (const coordinator of all) {
        let before = 0;
        coordinator.subscribe(() => {
          const epoch = coordinator.leader()?.epoch ?? 0;
          assert.ok(epoch >= before);
          before = epoch;
        });
      }
      for (let epoch = 1; epoch <= 12; epoch++) {
        // Everybody claims the same epoch at once, and one an older one.
        const claims = await Promise.all(
          all.map((coordinator, index) =>
            coordinator.noteLeader({ epoch, memberId: ids[index]!, detail: `${epoch}` }, FOREVER),
          ),
        );
        assert.equal(claims.filter(Boolean).length, 1);
        const winner = ids[claims.indexOf(true)]!;
        const note = { epoch, memberId: winner, detail: `${epoch}` };
        // The same again is no contradiction: the answer may have been lost.
        assert.equal(await all[claims.indexOf(true)]!.noteLeader(note, FOREVER), true);
        const older = { epoch: epoch - 1, memberId: winner, detail: '' };
        assert.equal(await all[epoch % 3]!.noteLeader(older, FOREVER), false);
        for (const coordinator of all) {
          await until(() => coordinator.leader()?.memberId === winner, 'the note');
          assert.deepEqual(coordinator.leader(), note);
        }
      }
    }));

  void it('lets one process only note itself for an epoch, of several that try at once', () =>
    withMembers(harness, async (members) => {
      const { choice } = members.cluster;
      const ids = ['p', 'q'];
      const processes = await Promise.all(ids.map((id) => MemberProcess.open(choice, id)));
      try {
        const claims = await Promise.all(
          processes.map((process, index) => process.claim(RACE_EPOCHS, ids[index]!)),
        );
        const epochs = claims.flat();
        assert.equal(new Set(epochs).size, epochs.length);
        assert.ok(epochs.includes(RACE_EPOCHS));
      } finally {
        for (const process of processes) await process.kill();
      }
    }));

  void it('keeps the note after everybody has left', () =>
    withMembers(harness, async (members) => {
      const a = await members.join('a');
      const note = { epoch: 7, memberId: 'a', detail: 'x'.repeat(4096) };
      assert.equal(await a.noteLeader(note, FOREVER), true);
      await a.close();
      const b = await members.join('b');
      await until(() => b.leader() !== undefined, 'the note');
      assert.deepEqual(b.leader(), note);
      assert.equal(await b.noteLeader({ epoch: 6, memberId: 'b', detail: '' }, FOREVER), false);
    }));
}

function endConformance(harness: CoordinatorHarness): void {
  const isClosedError = (error: unknown): boolean => isOperationalError(error, 'SHUTTING_DOWN');

  void it('closes at any moment, more than once, and everything that waits hears of it', () =>
    withMembers(harness, async (members) => {
      await members.create().close();
      for (let step = 0; step < 40; step += 5) {
        const opening = members.create();
        const opened = opening.open({ id: 'x', detail: '' }, FOREVER);
        const result = Promise.allSettled([opened]);
        for (let count = 0; count < step; count++) await turn();
        await Promise.all([opening.close(), opening.close()]);
        const [outcome] = await result;
        assert.ok(outcome.status === 'fulfilled' || isClosedError(outcome.reason));
      }
      const a = await members.join('a');
      const b = await members.join('b');
      const candidacy = await a.campaign(FOREVER);
      const waiting = assert.rejects(b.campaign(FOREVER), isClosedError);
      await b.close();
      await waiting;
      await assert.rejects(b.campaign(FOREVER), isClosedError);
      b.update('after the end');
      await a.close();
      assert.notEqual(await candidacy.lost, '');
      await candidacy.resign();
      await a.close();
      const c = await members.join('c');
      await seesMembers(c, ['c']);
      assert.ok(isHeld(await c.campaign(FOREVER)));
    }));

  void it('waits for a coordinator that is away, and can be told to give up', async () => {
    const away = await harness.makeAway();
    await using cluster = away.cluster;
    await using members = new Members(cluster);
    const giveUp = new AbortController();
    const [impatient, patient] = [members.create(), members.create()];
    const first = impatient.open({ id: 'impatient', detail: '' }, giveUp.signal);
    const second = patient.open({ id: 'patient', detail: '' }, FOREVER);
    await until(() => patient.health().reason !== 'Not opened.', 'a reason');
    assert.equal(patient.health().connected, false);
    const reason = new Error('given up');
    giveUp.abort(reason);
    await assert.rejects(first, (error) => error === reason);
    await away.comeBack();
    await second;
    await seesMembers(patient, ['patient']);
    await until(() => patient.health().connected, 'health');
    assert.ok(isHeld(await patient.campaign(FOREVER)));
  });
}
