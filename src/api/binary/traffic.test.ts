// What the binary door counts is what went through it, and a scraper reads it by name.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameKind } from '../../base/protocol.ts';
import { encodeQuery } from '../../base/query-frame.ts';
import { Metrics } from '../../telemetry/metrics.ts';
import { createBinaryNode } from './testing/binary-node.ts';
import { RawPeer, batch } from './testing/raw-peer.ts';
import { binaryReadings } from './traffic.ts';

type Scraped = ReadonlyMap<string, number>;

function metricsOf(): Metrics {
  return new Metrics({ release: 'test', roles: [], role: () => '', gauges: [] });
}

/** Every line of the binary door, by name and labels. */
async function scrape(metrics: Metrics): Promise<Scraped> {
  const lines = (await metrics.text()).split('\n');
  const own = lines.filter((line) => line.startsWith('holdfast_binary'));
  return new Map(
    own.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice('holdfast_binary_'.length, at), Number(line.slice(at + 1))];
    }),
  );
}

function requests(scraped: Scraped): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [name, value] of scraped) {
    const match = /^requests_total\{kind="(\w+)",outcome="(\w+)"\}$/.exec(name);
    if (match !== null && value > 0) found[`${match[1]} ${match[2]}`] = value;
  }
  return found;
}

test('requests are counted by kind and outcome, bytes both ways, connections as they come', async () => {
  await using node = await createBinaryNode({ bounds: { connectionsMax: 1 } });
  const metrics = metricsOf();
  metrics.add(binaryReadings(node.server));
  await using peer = await RawPeer.open(node.port);
  peer.request(FrameKind.createTransfers, 1, batch(1, 3));
  peer.request(FrameKind.createTransfers, 2, new Uint8Array(64));
  peer.request(FrameKind.status, 3);
  peer.request(99, 4);
  await peer.until(() => peer.frames.length === 4);
  node.engine.history.complete = false;
  const query = encodeQuery({ filter: {}, order: 'newest-first', limit: 1 });
  peer.request(FrameKind.queryTransfers, 5, query);
  await peer.answerTo(5);
  node.engine.history.complete = true;
  peer.request(FrameKind.queryTransfers, 6, query);
  await peer.answerTo(6);
  const first = await scrape(metrics);
  assert.deepEqual(requests(first), {
    'create_transfers answered': 1,
    'create_transfers refused': 1,
    'status answered': 1,
    'unknown refused': 1,
    'query_transfers unavailable': 1,
    'query_transfers answered': 1,
  });
  assert.equal(first.get('connections'), 1);
  assert.equal(first.get('connections_total'), 1);
  assert.equal(first.get('requests_in_flight'), 0);
  assert.equal(first.get('received_bytes_total'), peer.socket.bytesWritten);
  assert.equal(first.get('sent_bytes_total'), peer.socket.bytesRead);
  await using second = await RawPeer.connect(node.port);
  await second.ended();
  assert.deepEqual(await scrape(metrics), await scrape(metrics), 'reading changes nothing');
  const scraped = await scrape(metrics);
  assert.equal(scraped.get('connections_total'), 2);
  assert.equal(scraped.get('connections_refused_total'), 1);
});

test('what is under way is counted until it is answered or its connection has ended', async () => {
  await using node = await createBinaryNode();
  node.engine.isHolding = true;
  const metrics = metricsOf();
  metrics.add(binaryReadings(node.server));
  await using peer = await RawPeer.open(node.port);
  for (const request of [1, 2, 3]) peer.request(FrameKind.createTransfers, request, batch(1, 1));
  await peer.until(() => node.engine.held.length === 3);
  assert.equal((await scrape(metrics)).get('requests_in_flight'), 3);
  node.engine.held[0]!();
  await peer.answerTo(1);
  assert.equal((await scrape(metrics)).get('requests_in_flight'), 2);
  peer.socket.destroy();
  await peer.ended();
  while (node.server.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await scrape(metrics)).get('requests_in_flight'), 0);
  for (const release of node.engine.held) release();
  await new Promise((resolve) => setImmediate(resolve));
  const after = await scrape(metrics);
  assert.equal(after.get('requests_in_flight'), 0);
  assert.deepEqual(requests(after), { 'create_transfers answered': 1 });
});

test('bytes that are no frame are counted by reason', async () => {
  await using node = await createBinaryNode();
  const metrics = metricsOf();
  metrics.add(binaryReadings(node.server));
  await using peer = await RawPeer.open(node.port);
  peer.write(new Uint8Array(32).fill(7));
  await peer.ended();
  const scraped = await scrape(metrics);
  assert.equal(scraped.get('frames_refused_total{reason="magic"}'), 1);
});
