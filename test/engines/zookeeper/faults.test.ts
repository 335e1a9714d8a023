// What happens to members and candidacies when servers of the ensemble, or the way to them, fail.
// Sessions are long where something must survive, short where it must end.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { Candidacy } from '../../../src/ports/coordinator.ts';
import {
  FOREVER,
  Members,
  isHeld,
  seesMembers,
  watch,
} from '../../conformance/coordinator/support.ts';
import type { TcpProxy } from '../../support/tcp-proxy.ts';
import { until } from '../../support/until.ts';
import { Ensemble, type ProxiedCluster } from './ensemble.ts';

const LONG_MS = 6000;
const SHORT_MS = 1000;
const SLOW_MS = 40;
const ensemble = await Ensemble.find();

type Rig = { readonly cluster: ProxiedCluster; readonly members: Members };

async function withCluster(sessionMs: number, body: (rig: Rig) => Promise<void>): Promise<void> {
  await using cluster = await ensemble.cluster(sessionMs);
  await using members = new Members(cluster);
  await body({ cluster, members });
}

/** Held as before, in the same place, and the coordinator is of use again. */
async function isKept(cluster: ProxiedCluster, place: readonly string[], candidacy: Candidacy) {
  const lost = watch(candidacy.lost);
  await until(() => isHeld(candidacy), 'the candidacy is held');
  assert.equal(lost.isSettled(), false);
  assert.deepEqual(await cluster.line(), place);
}

void describe('zookeeper: servers that fail', () => {
  afterEach(() => ensemble.mend());

  for (const fault of ['SIGKILL', 'SIGSTOP'] as const) {
    void it(`keeps session and candidacy when its server gets ${fault}`, () =>
      withCluster(LONG_MS, async ({ cluster, members }) => {
        const a = await members.join('a');
        const candidacy = await a.campaign(FOREVER);
        const place = await cluster.line();
        assert.equal(place.length, 1);
        const server = await cluster.connectedTo();
        await ensemble.signal(server, fault);
        await until(() => (cluster.proxies.get(server)?.connections ?? 0) === 0, 'it moves on');
        await until(() => a.health().connected, 'health');
        await isKept(cluster, place, candidacy);
        a.update('after the fault');
        await until(() => a.members()[0]?.detail === 'after the fault', 'a write');
        // A frozen server that goes on does no harm.
        if (fault === 'SIGSTOP') await ensemble.signal(server, 'SIGCONT');
        await isKept(cluster, place, candidacy);
      }));

    void it(`keeps session and candidacy when the ensemble's own leader gets ${fault}`, () =>
      withCluster(LONG_MS, async ({ cluster, members }) => {
        const a = await members.join('a');
        const candidacy = await a.campaign(FOREVER);
        const place = await cluster.line();
        const leader = await ensemble.leader();
        await ensemble.signal(leader, fault);
        const note = { epoch: 1, memberId: 'a', detail: '' };
        assert.equal(await a.noteLeader(note, FOREVER), true);
        await until(() => a.health().connected, 'health');
        await isKept(cluster, place, candidacy);
        if (fault === 'SIGSTOP') await ensemble.signal(leader, 'SIGCONT');
        await isKept(cluster, place, candidacy);
      }));
  }

  void it('says so when two of three are gone, loses the candidacy, and is back by itself', () =>
    withCluster(SHORT_MS, async ({ members }) => {
      const a = await members.join('a');
      const candidacy = await a.campaign(FOREVER);
      const [first, second] = ensemble.names;
      await ensemble.signal(first!, 'SIGKILL');
      await ensemble.signal(second!, 'SIGKILL');
      await until(() => !a.health().connected, 'it says so');
      assert.notEqual(await candidacy.lost, '');
      assert.ok(!isHeld(candidacy));
      // What was known last can still be read.
      assert.deepEqual(
        a.members().map(({ id }) => id),
        ['a'],
      );
      const next = a.campaign(FOREVER);
      await ensemble.mend();
      assert.ok(isHeld(await next));
      await until(() => a.health().connected, 'health');
    }));

  void it('is back by itself after all of them were gone for seconds', () =>
    withCluster(SHORT_MS, async ({ members }) => {
      const [a, b] = [await members.join('a'), await members.join('b')];
      const first = await a.campaign(FOREVER);
      const waiting = watch(b.campaign(FOREVER));
      for (const name of ensemble.names) await ensemble.signal(name, 'SIGKILL');
      await first.lost;
      await until(() => !b.health().connected, 'both say so');
      const again = watch(a.campaign(FOREVER));
      const giveUp = new AbortController();
      const late = members.create().open({ id: 'c', detail: '' }, giveUp.signal);
      giveUp.abort(new Error('given up'));
      await assert.rejects(late, /given up/);
      assert.ok(!waiting.isSettled() && !again.isSettled());
      await ensemble.mend();
      await until(() => waiting.isSettled() || again.isSettled(), 'one of them is first');
      assert.notEqual(waiting.isSettled(), again.isSettled());
      await seesMembers(a, ['a', 'b']);
      await seesMembers(b, ['a', 'b']);
    }));
});

void describe('zookeeper: ways that fail', () => {
  void it('passes over servers that accept connections and never answer', () =>
    withCluster(SHORT_MS, async ({ cluster, members }) => {
      const [first, second] = [...cluster.proxies.values()];
      first!.mode = 'hold';
      second!.mode = 'hold';
      const a = await members.join('a');
      const candidacy = await a.campaign(FOREVER);
      assert.ok(isHeld(candidacy));
      assert.equal(await cluster.connectedTo(), ensemble.names[2]);
    }));

  void it('works over a slow way', () =>
    withCluster(LONG_MS, async ({ cluster, members }) => {
      for (const proxy of cluster.proxies.values()) proxy.delayMs = SLOW_MS;
      const [a, b] = await Promise.all([members.join('a'), members.join('b')]);
      const first = await a.campaign(FOREVER);
      // Evidence counts from when it was asked for, twice the way ago.
      const untilMs = performance.now() + LONG_MS / 2 - 1.8 * SLOW_MS;
      assert.ok(isHeld(first) && first.heldUntilMs() <= untilMs);
      const second = b.campaign(FOREVER);
      await first.resign();
      assert.ok(isHeld(await second));
      const note = { epoch: 1, memberId: 'b', detail: '' };
      assert.equal(await b.noteLeader(note, FOREVER), true);
      await until(() => a.leader()?.epoch === 1, 'the note');
    }));

  void it('does not count on its place any more when another gets it', () =>
    withCluster(SHORT_MS, async ({ cluster, members }) => {
      const a = await members.join('a');
      const b = cluster.createPastProxies();
      try {
        await b.open({ id: 'b', detail: '' }, FOREVER);
        const first = await a.campaign(FOREVER);
        const second = b.campaign(FOREVER);
        cluster.hold('hold');
        // By the one clock of this process; seen for the last time before the place was lost.
        let heldUntilMs = first.heldUntilMs();
        const looking = setInterval(() => {
          heldUntilMs = Math.max(heldUntilMs, first.heldUntilMs());
        }, 5);
        await second;
        clearInterval(looking);
        assert.ok(heldUntilMs < performance.now());
        assert.ok(!isHeld(first));
        // Nobody can tell it, and still it knows.
        assert.notEqual(await first.lost, '');
        assert.equal(a.health().connected, false);
        cluster.hold('pass');
        await seesMembers(a, ['a', 'b']);
      } finally {
        await b.close();
      }
    }));

  void it('stands once in line when the answer to its standing there was lost', () =>
    withCluster(LONG_MS, async ({ cluster, members }) => {
      const a = await members.join('a');
      for (const proxy of cluster.proxies.values()) {
        proxy.losesAnswerTo = (request) =>
          request.readInt32BE(8) === 1 && request.includes(`${cluster.path}/line/`);
      }
      const candidacy = await a.campaign(FOREVER);
      const lost = [...cluster.proxies.values()].map((proxy: TcpProxy) => proxy.answersLost);
      assert.ok(lost.reduce((sum, count) => sum + count) >= 1);
      assert.ok(isHeld(candidacy));
      assert.equal((await cluster.line()).length, 1);
    }));

  void it('leaves nothing in line when it gave up while its standing there was in doubt', () =>
    withCluster(LONG_MS, async ({ cluster, members }) => {
      const a = await members.join('a');
      const giveUp = new AbortController();
      for (const proxy of cluster.proxies.values()) {
        proxy.losesAnswerTo = (request) => {
          const isCreate =
            request.readInt32BE(8) === 1 && request.includes(`${cluster.path}/line/`);
          if (isCreate) giveUp.abort(new Error('given up'));
          return isCreate;
        };
      }
      await assert.rejects(a.campaign(giveUp.signal), /given up/);
      assert.deepEqual(await cluster.line(), []);
      // The session is the same one, so nothing but its own hand took the place away.
      assert.equal((await cluster.look((s) => s.children(`${cluster.path}/members`))).length, 1);
    }));

  void it('leaves nothing in line when it gave up while it reached nobody', () =>
    withCluster(LONG_MS, async ({ cluster, members }) => {
      const [a, b] = [await members.join('a'), cluster.createPastProxies()];
      try {
        await b.open({ id: 'b', detail: '' }, FOREVER);
        const first = await b.campaign(FOREVER);
        const giveUp = new AbortController();
        const campaign = a.campaign(giveUp.signal);
        await until(async () => (await cluster.line()).length === 2, 'both stand in line');
        cluster.hold('hold');
        for (const proxy of cluster.proxies.values()) proxy.cut();
        await until(() => !a.health().connected, 'it reaches nobody');
        giveUp.abort(new Error('given up'));
        cluster.hold('pass');
        await assert.rejects(campaign, /given up/);
        assert.equal((await cluster.line()).length, 1);
        await first.resign();
        assert.ok(isHeld(await b.campaign(FOREVER)));
      } finally {
        await b.close();
      }
    }));

  void it('hears of every change again after its connection broke', () =>
    withCluster(LONG_MS, async ({ cluster, members }) => {
      const a = await members.join('a');
      const b = cluster.createPastProxies();
      for (const proxy of cluster.proxies.values()) proxy.cut();
      await b.open({ id: 'b', detail: '' }, FOREVER);
      await seesMembers(a, ['a', 'b']);
      for (const proxy of cluster.proxies.values()) proxy.cut();
      await b.noteLeader({ epoch: 3, memberId: 'b', detail: '' }, FOREVER);
      await b.close();
      await seesMembers(a, ['a']);
      await until(() => a.leader()?.epoch === 3, 'the note');
    }));
});

void describe('zookeeper: nodes that others remove', () => {
  void it('loses the candidacy with its node, and comes back among the members', () =>
    withCluster(LONG_MS, async ({ cluster, members }) => {
      const [a, b] = [await members.join('a'), await members.join('b')];
      const first = await a.campaign(FOREVER);
      const second = b.campaign(FOREVER);
      await until(async () => (await cluster.line()).length === 2, 'both stand in line');
      await cluster.look(async (session) => {
        const [place] = (await session.children(`${cluster.path}/line`)).sort((x, y) =>
          x.slice(-10) < y.slice(-10) ? -1 : 1,
        );
        await session.delete(`${cluster.path}/line/${place}`);
        for (const name of await session.children(`${cluster.path}/members`)) {
          await session.delete(`${cluster.path}/members/${name}`);
        }
      });
      assert.notEqual(await first.lost, '');
      assert.ok(isHeld(await second));
      await until(async () => {
        const names = await cluster.look((s) => s.children(`${cluster.path}/members`));
        return names.length === 2;
      }, 'both are members again');
      await seesMembers(a, ['a', 'b']);
    }));

  void it('makes its folders again when somebody removed all of them', () =>
    withCluster(LONG_MS, async ({ cluster, members }) => {
      const a = await members.join('a');
      await cluster.look(async (session) => {
        for (const name of await session.children(`${cluster.path}/members`)) {
          await session.delete(`${cluster.path}/members/${name}`);
        }
        for (const name of ['members', 'line', '']) {
          await session.delete(`${cluster.path}/${name}`.replace(/\/$/, '')).catch(() => undefined);
        }
      });
      const note = { epoch: 1, memberId: 'a', detail: '' };
      assert.equal(await a.noteLeader(note, FOREVER), true);
      assert.ok(isHeld(await a.campaign(FOREVER)));
      const b = await members.join('b');
      await seesMembers(b, ['a', 'b']);
    }));
});
