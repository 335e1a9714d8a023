// The network in memory keeps what every PeerNetwork promises, and what tests do to it.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { PEER_QUESTIONS, type PeerNetwork } from '../contract.ts';
import type { Clock } from '../../ports/clock.ts';
import { MemoryPeers } from './memory-peers.ts';
import { type PeersRig, describePeerNetwork, linked, sees, stateAt } from './peers-suite.ts';

const NEVER = new AbortController().signal;

/** Stands still until somebody moves it. */
class StillClock implements Clock {
  ms = 0;
  readonly #sleeping = new Set<{ readonly untilMs: number; readonly wake: () => void }>();

  nowNs(): bigint {
    return BigInt(this.ms + 1_000) * 1_000_000n;
  }

  monotonicMs(): number {
    return this.ms;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#sleeping.add({ untilMs: this.ms + ms, wake: resolve });
    signal.addEventListener('abort', () => resolve(), { once: true });
    return promise;
  }

  pass(ms: number): void {
    this.ms += ms;
    for (const sleeper of this.#sleeping) {
      if (sleeper.untilMs > this.ms) continue;
      this.#sleeping.delete(sleeper);
      sleeper.wake();
    }
  }
}

type MemoryRig = PeersRig & { readonly hub: MemoryPeers; readonly clock: StillClock };

async function makeRig(): Promise<MemoryRig> {
  const clock = new StillClock();
  const hub = new MemoryPeers({ clock, heartbeatMs: 50 });
  const networks = new Map<string, PeerNetwork>();
  return Promise.resolve({
    hub,
    clock,
    open: async (id) => {
      const network = hub.node(id);
      networks.set(id, network);
      await network.open();
      return network;
    },
    introduce: () => {
      const addresses = { url: 'http://memory', binaryUrl: 'holdfast://memory', peer: 'memory:0' };
      const known = [...networks.keys()].map((id) => ({ id, addresses }));
      for (const network of networks.values()) network.know(known);
    },
    [Symbol.asyncDispose]: async () => {
      for (const network of networks.values()) await network.close();
    },
  });
}

describePeerNetwork('in memory', makeRig);

async function pair(rig: MemoryRig): Promise<[PeerNetwork, PeerNetwork]> {
  const one = await rig.open('node-1');
  const two = await rig.open('node-2');
  rig.introduce();
  await linked(one, 'node-2');
  return [one, two];
}

it('in memory, a cut takes the link from both and healing brings it back', async () => {
  await using rig = await makeRig();
  const [one, two] = await pair(rig);
  rig.clock.pass(10);
  rig.hub.cut('node-2', 'node-1');
  assert.deepEqual([one.peer('node-2')?.isLinked, two.peer('node-1')?.isLinked], [false, false]);
  assert.equal(one.peer('node-2')?.lostMs, 10);
  rig.hub.heal('node-1', 'node-2');
  await linked(one, 'node-2');
});

it('in memory, a frozen node keeps its links, is not heard and gets everything later', async () => {
  await using rig = await makeRig();
  const [one, two] = await pair(rig);
  let asked = 0;
  two.answer(PEER_QUESTIONS.challenge, (_from, payload) => {
    asked++;
    return Promise.resolve(payload);
  });
  two.tell(stateAt(1));
  await sees(one, () => one.peer('node-2')?.state?.position === 1);
  rig.hub.freeze('node-2');
  const answer = one.ask('node-2', PEER_QUESTIONS.challenge, new Uint8Array(1), NEVER);
  two.tell(stateAt(2));
  rig.clock.pass(50);
  rig.hub.beat();
  await new Promise(setImmediate);
  const frozen = one.peer('node-2')!;
  assert.deepEqual([frozen.isLinked, frozen.heardMs, frozen.state?.position], [true, 0, 1]);
  assert.equal(asked, 0);
  rig.hub.thaw('node-2');
  assert.equal((await answer).byteLength, 1);
  await sees(one, () => one.peer('node-2')?.state?.position === 2);
  assert.equal(one.peer('node-2')?.heardMs, 50);
});

it('in memory, heartbeats come by the given clock', async () => {
  await using rig = await makeRig();
  const [one, two] = await pair(rig);
  two.tell(stateAt(1));
  await sees(one, () => one.peer('node-2')?.state?.position === 1);
  rig.clock.pass(50);
  await sees(one, () => one.peer('node-2')?.heardMs === 50);
});
