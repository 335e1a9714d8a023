// The page shows what the document says and nothing that it says can become more than text.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../openapi/json-schema.ts';
import { curlCommand } from './curl.ts';
import { inline } from './html.ts';
import { docsPage } from './page.ts';
import { schemaHtml } from './schema-html.ts';

const EVIL = '<img src=x onerror="a()">&\'';

test('whatever stands in the document is text on the page', () => {
  const schema: JsonObject = {
    type: 'object',
    description: EVIL,
    properties: { [EVIL]: { type: 'string', enum: [EVIL], pattern: EVIL, default: EVIL } },
  };
  const response = {
    description: EVIL,
    headers: { [EVIL]: { description: EVIL, schema: { type: EVIL } } },
    content: { [EVIL]: { schema, examples: { [EVIL]: { value: { [EVIL]: EVIL } } } } },
  };
  const operation: JsonObject = {
    operationId: EVIL,
    tags: [EVIL],
    summary: EVIL,
    description: EVIL,
    parameters: [{ name: EVIL, in: EVIL, description: EVIL, schema }],
    requestBody: { content: response.content },
    responses: { [EVIL]: response },
  };
  const { html } = docsPage({
    info: { title: EVIL, version: EVIL, summary: EVIL, description: EVIL },
    tags: [{ name: EVIL, description: EVIL }],
    paths: { [EVIL]: { get: operation } },
    components: { schemas: { [EVIL]: schema } },
  });
  assert.doesNotMatch(html, /<img/);
  assert.doesNotMatch(html, /onerror="/);
  assert.match(html, /&lt;img src=x onerror=&quot;a\(\)&quot;&gt;&amp;&#39;/);
});

test('code and emphasis are shown, other marks stay as they are', () => {
  assert.equal(inline('`a<b` is **b** *c*'), '<code>a&lt;b</code> is <strong>b</strong> *c*');
});

test('a schema is told in words', () => {
  const html = schemaHtml({
    type: 'array',
    maxItems: 1024,
    items: { $ref: '#/components/schemas/Account' },
  });
  assert.equal(
    html,
    '<p class="type">array of <a href="#schema-Account">Account</a>, at most 1,024</p>',
  );
});

test('an example is a command that a shell takes as it is', () => {
  const command = curlCommand({
    method: 'put',
    path: '/v1/ledgers/978',
    withKey: true,
    body: { currency: "E'R" },
  });
  assert.equal(
    command,
    String.raw`curl -X PUT "$URL/v1/ledgers/978" \
  -H "Authorization: Bearer $KEY" \
  -H 'Content-Type: application/json' \
  -d '{"currency":"E'\''R"}'`,
  );
  const probe = curlCommand({ method: 'get', path: '/livez', withKey: false, body: undefined });
  assert.equal(probe, 'curl "$URL/livez"');
});
