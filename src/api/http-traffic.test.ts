// What the HTTP door counts: every answer once, under its route and its status.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fastify } from 'fastify';
import { Metrics } from '../telemetry/metrics.ts';
import { HttpTraffic } from './http-traffic.ts';

async function textOf(traffic: HttpTraffic): Promise<string[]> {
  const metrics = new Metrics({ gauges: [], role: () => '', roles: [], release: 'test' });
  metrics.add(traffic.readings());
  const lines = (await metrics.text()).split('\n');
  return lines.filter((line) => line.startsWith('holdfast_http_'));
}

test('an answer is counted once, under its route, method and status', async () => {
  const app = fastify();
  const traffic = new HttpTraffic();
  traffic.watch(app);
  app.get('/things/:id', (request, reply) => {
    return reply.code(request.url.endsWith('/lost') ? 404 : 200).send('{}');
  });
  app.post('/things', () => Promise.reject(new Error('broken')));
  for (const url of ['/things/1', '/things/2', '/things/lost', '/nowhere']) await app.inject(url);
  await app.inject({ method: 'HEAD', url: '/things/1' });
  await app.inject({ method: 'POST', url: '/things' });
  const lines = await textOf(traffic);
  await app.close();
  const total = 'holdfast_http_requests_total';
  const counted = lines.filter((line) => line.startsWith(total)).sort();
  assert.deepEqual(counted, [
    `${total}{method="GET",route="/things/:id",status="200"} 2`,
    `${total}{method="GET",route="/things/:id",status="404"} 1`,
    `${total}{method="HEAD",route="/things/:id",status="200"} 1`,
    `${total}{method="POST",route="/things",status="500"} 1`,
    `${total}{method="any",route="none",status="404"} 1`,
  ]);
});

test('durations are a histogram: its buckets rise to the count', async () => {
  const app = fastify();
  const traffic = new HttpTraffic();
  traffic.watch(app);
  app.get('/things', () => ({}));
  for (let asked = 0; asked < 5; asked++) await app.inject('/things');
  const lines = await textOf(traffic);
  await app.close();
  const name = 'holdfast_http_request_duration_seconds';
  const values = (part: string): number[] =>
    lines
      .filter((line) => line.startsWith(`${name}_${part}{method="GET",route="/things"`))
      .map((line) => Number(line.split(' ').at(-1)));
  const buckets = values('bucket');
  assert.deepEqual(
    buckets,
    [...buckets].sort((a, b) => a - b),
  );
  assert.equal(buckets.at(-1), 5);
  assert.deepEqual(values('count'), [5]);
  assert.ok(values('sum')[0]! > 0);
});
