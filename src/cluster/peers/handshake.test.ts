// Who is let in: nobody without the cluster's key, and nobody with a proof that is not its own.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { Prng } from '../../base/prng.ts';
import type { Frame } from '../../base/frame-reader.ts';
import { FrameKind, sealFrame, textFrame } from '../../base/protocol.ts';
import { PEER_QUESTIONS } from '../contract.ts';
import { linked, sees, stateAt } from '../testing/peers-suite.ts';
import { type Stranger, type TcpNode, TcpNodes, identityOf, knows } from '../testing/tcp-nodes.ts';
import { createBinaryNode } from '../../api/binary/testing/binary-node.ts';
import { until } from '../../../test/support/until.ts';
import { PeerFrame, framesOf, jsonFrame, readJson, stateFrame } from './frames.ts';
import type { PeerNetworkOptions } from './network.ts';

function hello(node: TcpNode, more: object = {}): Uint8Array {
  return jsonFrame(PeerFrame.hello, 0, {
    from: 'node-1',
    to: node.id,
    cluster: 'cluster-1',
    timeline: 'timeline-1',
    nonce: '00'.repeat(32),
    release: '0.1.0',
    addresses: { url: '', binaryUrl: '', peer: '' },
    ...more,
  });
}

async function refusal(stranger: Stranger): Promise<unknown> {
  const frame = await stranger.frame();
  assert.equal(frame.kind, PeerFrame.refused);
  await stranger.ended();
  return readJson(frame.payload)?.['reason'];
}

describe('a node that is not of the cluster', () => {
  const others: readonly [string, Partial<PeerNetworkOptions>, RegExp][] = [
    ['key', { key: new Uint8Array(32).fill(8) }, /different cluster keys/],
    ['cluster', { clusterId: 'cluster-2' }, /another cluster/],
    ['timeline', { timeline: 'timeline-2' }, /another timeline/],
  ];
  for (const [what, more, told] of others) {
    it(`with another ${what} is never linked nor heard, and each side says so once`, async () => {
      await using nodes = new TcpNodes();
      const [one, two] = [await nodes.open('node-1'), await nodes.open('node-2', more)];
      one.network.tell(stateAt(1));
      two.network.tell(stateAt(2));
      nodes.introduce();
      await until(() => one.told.length >= 1 && two.told.length >= 1, 'both sides say so');
      // Nobody else lets it in either; the first two have nothing more to say.
      const three = await nodes.open('node-3');
      nodes.introduce();
      await linked(one.network, 'node-3');
      await until(() => two.told.length + three.told.length >= 3, 'both others say so too');
      assert.match(one.told.join(), told);
      assert.match(two.told.join(), told);
      assert.deepEqual([one.told.length, two.told.length, three.told.length], [1, 2, 1]);
      assert.deepEqual(
        two.network.peers().filter(({ isLinked, state }) => isLinked || state),
        [],
      );
      assert.equal(one.network.peer('node-2')?.state, undefined);
    });
  }

  it('cannot answer with our own proof, nor with one that was shown before', async () => {
    await using nodes = new TcpNodes();
    const two = await nodes.open('node-2');
    const mirror = nodes.stranger(two);
    mirror.socket.write(hello(two));
    const challenge = readJson((await mirror.frame()).payload);
    mirror.socket.write(jsonFrame(PeerFrame.proof, 0, { proof: challenge?.['proof'] }));
    assert.equal(await refusal(mirror), 'key');

    const again = nodes.stranger(two);
    again.socket.write(hello(two, { nonce: challenge?.['nonce'] }));
    await again.frame();
    again.socket.write(jsonFrame(PeerFrame.proof, 0, { proof: challenge?.['proof'] }));
    assert.equal(await refusal(again), 'key');
    assert.deepEqual(two.network.peers(), []);
  });

  it('is told what is wrong with its hello', async () => {
    await using nodes = new TcpNodes();
    const two = await nodes.open('node-2');
    const version = sealFrame(textFrame('{}'), { kind: 256, request: 0, version: 9 }, crc32);
    const cases: readonly [Uint8Array, string][] = [
      [version, 'version'],
      [hello(two, { to: 'node-5' }), 'node'],
      [hello(two, { from: 'node-2' }), 'direction'],
      [hello(two, { from: 'node-3' }), 'direction'],
      [hello(two, { from: 7 }), 'malformed'],
      [hello(two, { addresses: 'here' }), 'malformed'],
      [jsonFrame(PeerFrame.proof, 0, { proof: '' }), 'malformed'],
    ];
    for (const [bytes, reason] of cases) {
      const stranger = nodes.stranger(two);
      stranger.socket.write(bytes);
      assert.equal(await refusal(stranger), reason);
    }
  });

  it('is neither heard nor answered before its proof', async () => {
    await using nodes = new TcpNodes();
    const two = await nodes.open('node-2');
    two.network.answer(PEER_QUESTIONS.forward, () => assert.fail('it was asked'));
    const early = [
      framesOf(PeerFrame.question, 1, PEER_QUESTIONS.forward, new Uint8Array(8))[0]!,
      stateFrame(stateAt(1), 1n),
    ];
    for (const bytes of early) {
      const stranger = nodes.stranger(two);
      stranger.socket.write(hello(two));
      await stranger.frame();
      stranger.socket.write(bytes);
      assert.equal(await refusal(stranger), 'malformed');
    }
    assert.deepEqual(two.network.peers(), []);
  });
});

describe('the wrong door', () => {
  it('says so to a client of the binary protocol and to one of HTTP', async () => {
    await using nodes = new TcpNodes();
    const two = await nodes.open('node-2');
    const client = nodes.stranger(two);
    const key = textFrame('{"key":"hk_1","version_min":1}');
    client.socket.write(sealFrame(key, { kind: FrameKind.hello, request: 5 }, crc32));
    const problem: Frame = await client.frame();
    assert.deepEqual([problem.kind, problem.request], [FrameKind.problem, 5]);
    assert.match(String(readJson(problem.payload)?.['detail']), /channel between nodes/);
    const browser = nodes.stranger(two);
    browser.socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
    assert.match(await browser.text, /^HTTP\/1\.1 400 [^]*channel between nodes/);
  });

  it('is understood by the node that dialled it', async () => {
    await using nodes = new TcpNodes();
    const one = await nodes.open('node-1');
    await using binary = await createBinaryNode();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    knows(
      one,
      new Map([
        ['node-2', `127.0.0.1:${binary.port}`],
        ['node-3', `127.0.0.1:${address.port}`],
      ]),
    );
    await until(() => one.told.length === 2, 'it says so of both');
    const [clients, http] = one.told.toSorted();
    assert.match(clients ?? '', /like a node's port for clients\. The address leads to a port/);
    assert.match(http ?? '', /answered in HTTP\. The address leads to a port for clients/);
    await one.network.close();
    server.close();
    await once(server, 'close');
  });
});

describe('garbage', () => {
  it('from strangers and from linked nodes harms nobody else', async () => {
    await using nodes = new TcpNodes();
    const two = await nodes.open('node-2');
    const random = new Prng(20);
    const bytes = (count: number): Uint8Array => new Uint8Array(count).map(() => random.below(256));
    for (let round = 0; round < 40; round++) {
      const stranger = nodes.stranger(two);
      const garbled = hello(two).slice();
      garbled[random.below(garbled.byteLength)]! ^= 1 << random.below(8);
      stranger.socket.end(round % 2 === 0 ? bytes(1 + random.below(300)) : garbled);
      await stranger.ended();
    }
    for (let round = 0; round < 40; round++) {
      const met = await nodes.meet(two, identityOf('node-0'));
      const ended = Promise.withResolvers<void>();
      const owner = { onFrame: () => undefined, onFault: () => undefined };
      met.frames.handOver({ ...owner, onClosed: () => ended.resolve() }, 1 << 24);
      const kind = 256 + random.below(40);
      const junk = sealFrame(
        textFrame(Buffer.from(bytes(random.below(100))).toString('latin1')),
        { kind, request: random.below(3) },
        crc32,
      );
      met.frames.send(
        junk,
        stateFrame(stateAt(1), 1n),
        sealFrame(textFrame('x'), { kind: 999, request: 0 }, crc32),
      );
      await ended.promise;
    }
    const one = await nodes.open('node-1');
    nodes.introduce();
    one.network.tell(stateAt(8));
    await linked(one.network, 'node-2');
    await sees(two.network, () => two.network.peer('node-1')?.state?.position === 8);
  });
});
