// Spans of a real SDK: requests are part of their caller's trace. Without an SDK there are none.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { context, propagation, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { FAKE_API_KEY, createFakeNode } from '../../../src/api/testing/fake-node.ts';
import { createSpans } from '../../../src/telemetry/spans.ts';

const exporter = new InMemorySpanExporter();
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';

after(() => {
  trace.disable();
  propagation.disable();
  context.disable();
});

test('without an SDK there are no spans', () => {
  assert.equal(createSpans('test'), undefined);
});

test('with one, each request is a span of its caller, named by its route', async () => {
  trace.setGlobalTracerProvider(
    new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
  );
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const spans = createSpans('test');
  assert.ok(spans !== undefined);
  await using node = createFakeNode({ spans });
  const headers = {
    authorization: `Bearer ${FAKE_API_KEY}`,
    traceparent: `00-${TRACE_ID}-${PARENT_ID}-01`,
  };
  await node.server.app.inject({ url: '/v1/accounts/42', headers });
  await node.server.app.inject({ url: '/v1/status' });
  spans.ended('journal append', 5, { 'holdfast.entry.commands': 3 });

  const finished = exporter.getFinishedSpans();
  const named = (name: string): (typeof finished)[number] => {
    const span = finished.find((one) => one.name === name);
    assert.ok(span !== undefined, `${name} of ${finished.map((one) => one.name).join(', ')}`);
    return span;
  };
  const known = named('GET /v1/accounts/:id');
  assert.equal(known.spanContext().traceId, TRACE_ID);
  assert.equal(known.parentSpanContext?.spanId, PARENT_ID);
  assert.equal(known.attributes['http.response.status_code'], 400);
  const stranger = named('GET /v1/status');
  assert.equal(stranger.attributes['http.response.status_code'], 401);
  assert.notEqual(stranger.spanContext().traceId, TRACE_ID);
  assert.equal(named('journal append').attributes['holdfast.entry.commands'], 3);
});
