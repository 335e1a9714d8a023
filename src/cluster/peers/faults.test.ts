// What connections and other nodes do to a link: breaking, swallowing, not reading, coming twice.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { it } from 'node:test';
import type { Clock } from '../../ports/clock.ts';
import { isOperationalError } from '../../base/errors.ts';
import { PEER_QUESTIONS } from '../contract.ts';
import { linked, sees, stateAt } from '../testing/peers-suite.ts';
import { TcpNodes, identityOf, knows } from '../testing/tcp-nodes.ts';
import { TcpProxy } from '../../../test/support/tcp-proxy.ts';
import { until } from '../../../test/support/until.ts';
import { Answering } from './answering.ts';
import { FrameSocket } from './frame-socket.ts';
import { stateFrame, wordsFrame } from './frames.ts';
import { Link } from './link.ts';

const NEVER = new AbortController().signal;
const { forward, challenge } = PEER_QUESTIONS;

it('hears heartbeats and learns how far the other clock is', async () => {
  await using nodes = new TcpNodes();
  const one = await nodes.open('node-1');
  const clock: Clock = {
    nowNs: () => BigInt(Date.now() + 3_600_000) * 1_000_000n,
    monotonicMs: () => performance.now(),
    sleep: () => Promise.resolve(),
  };
  const two = await nodes.open('node-2', { clock });
  two.network.tell(stateAt(1));
  nodes.introduce();
  let heard = 0;
  one.network.subscribe(() => heard++);
  const heardMs = new Set<number>();
  await sees(one.network, () => {
    heardMs.add(one.network.peer('node-2')?.heardMs ?? 0);
    return heard > 5 && one.network.peer('node-2')?.clockDifferenceMs !== 0;
  });
  assert.ok(heardMs.size > 3);
  const hours = (one.network.peer('node-2')?.clockDifferenceMs ?? 0) / 3_600_000;
  assert.equal(Math.round(hours), 1);
  assert.ok((one.network.peer('node-2')?.state?.clockNs ?? '') > `${Date.now()}`);
});

it('blames nobody for the time in which it stood still itself', async () => {
  await using nodes = new TcpNodes();
  let stoodStillMs = 0;
  const monotonicMs = (): number => performance.now() + stoodStillMs;
  const sleep = (): Promise<void> => Promise.resolve();
  const clock: Clock = { nowNs: () => 0n, monotonicMs, sleep };
  const one = await nodes.open('node-1', { clock });
  const two = await nodes.open('node-2');
  two.network.tell(stateAt(1));
  nodes.introduce();
  await sees(one.network, () => one.network.peer('node-2')?.state?.position === 1);
  stoodStillMs = 3_600_000;
  const silentMs = monotonicMs() - (one.network.peer('node-2')?.heardMs ?? 0);
  assert.ok(silentMs < 1_800_000, `${silentMs}`);
  assert.ok(monotonicMs() - (one.network.peers()[0]?.heardMs ?? 0) < 1_800_000);
  let heard = 0;
  one.network.subscribe(({ isLinked }) => (heard += isLinked ? 1 : -1000));
  await until(() => heard > 5, 'the link stays');
});

it('notices a broken connection on both sides and has another one soon', async () => {
  await using nodes = new TcpNodes();
  const [one, two] = [await nodes.open('node-1'), await nodes.open('node-2')];
  await using proxy = await TcpProxy.start(two.port);
  knows(one, new Map([['node-2', `127.0.0.1:${proxy.port}`]]));
  await Promise.all([linked(one.network, 'node-2'), linked(two.network, 'node-1')]);
  const lost: string[] = [];
  for (const { id, network } of [one, two]) {
    network.subscribe(({ isLinked }) => !isLinked && lost.push(id));
  }
  two.network.answer(forward, () => new Promise(() => undefined));
  const asked = one.network.ask('node-2', forward, new Uint8Array(1), NEVER);
  proxy.cut();
  await assert.rejects(asked, { code: 'OUTCOME_UNKNOWN' });
  await until(() => lost.length === 2, 'both notice');
  await Promise.all([linked(one.network, 'node-2'), linked(two.network, 'node-1')]);
  assert.deepEqual(lost.sort(), ['node-1', 'node-2']);
});

it('goes on dialling until the other node is there, and follows it to a new address', async () => {
  await using nodes = new TcpNodes();
  const one = await nodes.open('node-1');
  const reserved = createServer().listen(0, '127.0.0.1');
  await once(reserved, 'listening');
  const address = reserved.address();
  assert.ok(typeof address === 'object' && address !== null);
  const { port } = address;
  reserved.close();
  await once(reserved, 'close');
  knows(one, new Map([['node-2', `127.0.0.1:${port}`]]));
  const two = await nodes.open('node-2', { port });
  await linked(one.network, 'node-2');
  await two.network.close();
  await nodes.open('node-2');
  nodes.introduce();
  await linked(one.network, 'node-2');
});

it('leaves a connection that swallows everything for one that does not, and stays there', async () => {
  await using nodes = new TcpNodes();
  const one = await nodes.open('node-1', { doubtMs: 200 });
  const two = await nodes.open('node-2');
  two.network.tell(stateAt(1));
  await using proxy = await TcpProxy.start(two.port);
  knows(one, new Map([['node-2', `127.0.0.1:${proxy.port}`]]));
  await linked(one.network, 'node-2');
  two.network.answer(challenge, (_from, payload) => Promise.resolve(payload));
  // From here on the connection that is there swallows everything; a new one would not.
  proxy.mode = 'hold';
  proxy.mode = 'pass';
  const asked = one.network.ask('node-2', challenge, new Uint8Array(1), NEVER);
  assert.equal(one.network.peer('node-2')?.isLinked, true);
  await assert.rejects(asked, { code: 'OUTCOME_UNKNOWN' });
  await linked(one.network, 'node-2');
  const links: boolean[] = [];
  one.network.subscribe(({ isLinked }) => links.push(isLinked));
  await until(() => links.length > 30, 'it is heard again and again');
  assert.ok(links.every(Boolean));
  assert.equal((await one.network.ask('node-2', challenge, new Uint8Array(1), NEVER)).length, 1);
  await until(() => proxy.connections === 1, 'one connection stays');
});

it('keeps the newer of two links of the same node', async () => {
  await using nodes = new TcpNodes();
  const two = await nodes.open('node-2');
  const ended: number[] = [];
  const meet = async (number: number): Promise<FrameSocket> => {
    const { frames } = await nodes.meet(two, identityOf('node-1'));
    const owner = { onFrame: () => undefined, onFault: () => undefined };
    frames.handOver({ ...owner, onClosed: () => ended.push(number) }, 1 << 24);
    return frames;
  };
  const first = [meet(1), meet(2), meet(3)];
  const last = await Promise.all(first).then(() => meet(4));
  await until(() => ended.length === 3, 'the older ones end');
  assert.deepEqual(
    ended.toSorted((a, b) => a - b),
    [1, 2, 3],
  );
  assert.equal(two.network.peers().length, 1);
  last.send(wordsFrame(stateAt(3)), stateFrame(stateAt(3), 1n));
  await sees(two.network, () => two.network.peer('node-1')?.state?.position === 3);
  assert.equal(two.network.peer('node-1')?.isLinked, true);
});

it('refuses questions to a peer that takes nothing, and ends it when it is silent too', async () => {
  await using nodes = new TcpNodes();
  const two = await nodes.open('node-2', { doubtMs: 300 });
  const { socket } = await nodes.meet(two, identityOf('node-1'));
  socket.pause();
  const asked: Promise<unknown>[] = [];
  const refused: unknown[] = [];
  while (asked.length < 100 && refused.length === 0) {
    const question = two.network.ask('node-1', forward, new Uint8Array(1 << 20), NEVER);
    asked.push(
      question.catch((error: unknown) => {
        if (isOperationalError(error, 'NOT_READY')) refused.push(error);
      }),
    );
    await new Promise(setImmediate);
  }
  assert.ok(refused.length > 0, `${asked.length} questions of 1 MiB were taken`);
  await Promise.all(asked);
  assert.deepEqual(two.network.peers(), []);
});

it('does not heap up states for a peer that does not read', async () => {
  const server = createServer((socket) => socket.pause()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const socket = connect({ host: '127.0.0.1', port: address.port });
  const owner = { onFrame: () => undefined, onFault: () => undefined, onClosed: () => undefined };
  const frames = new FrameSocket(socket, owner);
  const clock = { nowNs: () => 0n, monotonicMs: () => 0, sleep: () => Promise.resolve() };
  const link = new Link({
    met: { id: 'node-2', addresses: identityOf('node-2').addresses(), frames },
    answering: new Answering('node-1', () => undefined),
    clock,
    onState: () => undefined,
    onClockDifference: () => undefined,
    onLost: () => undefined,
  });
  // Before the connection is there nothing is taken at all.
  for (let position = 0; position < 10_000; position++) {
    const state = stateAt(position, { reason: 'x'.repeat(2000) });
    link.tell({ words: wordsFrame(state), state: stateFrame(state, 1n) });
    link.ping();
  }
  assert.ok(frames.unsentBytes > 0 && frames.unsentBytes < 200_000, `${frames.unsentBytes}`);
  await once(socket, 'connect');
  await until(() => frames.unsentBytes === 0, 'what was kept is taken');
  const before = frames.givenBytes;
  link.tell({ words: wordsFrame(stateAt(1)), state: stateFrame(stateAt(1), 1n) });
  assert.ok(frames.givenBytes > before);
  link.close('The test is over.');
  server.close();
});
