// The OpenAPI document as one page for people, GET /docs: whole in one answer, nothing from
// elsewhere, readable without scripts. The script and the style stand in it, and its
// Content-Security-Policy allows just those two, by their digests.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { JsonObject } from '../openapi/json-schema.ts';
import { escape, inline, paragraphs, text } from './html.ts';
import { type OperationPlace, type Resolve, operationHtml } from './operation-html.ts';
import { schemaHtml } from './schema-html.ts';

export type DocsPage = { readonly html: string; readonly contentSecurityPolicy: string };

export function docsPage(document: JsonObject): DocsPage {
  const style = readFileSync(new URL('./page.css', import.meta.url), 'utf8');
  const script = readFileSync(new URL('./page.js', import.meta.url), 'utf8');
  return {
    html: pageHtml(document, style, script),
    contentSecurityPolicy: [
      "default-src 'none'",
      `style-src ${digest(style)}`,
      `script-src ${digest(script)}`,
      // The icon, which is empty: without it browsers ask the server for one.
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  };
}

function digest(source: string): string {
  return `'sha256-${createHash('sha256').update(source).digest('base64')}'`;
}

function pageHtml(document: JsonObject, style: string, script: string): string {
  const info = document['info'] as JsonObject;
  const title = escape(`${text(info['title'])} API`);
  const tags = document['tags'] as readonly JsonObject[];
  const places = operationsOf(document);
  const resolve = resolverOf(document);
  const ofTag = (tag: JsonObject) =>
    places.filter(({ operation }) => tagOf(operation) === tag['name']);
  const sections = tags.map((tag) => tagHtml(tag, ofTag(tag), resolve));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<a class="skip" href="#operations">To the operations</a>
<header>
<h1>${title} <span class="version">${escape(text(info['version']))}</span></h1>
<p class="lead">${inline(text(info['summary']))}</p>
<div class="tools" hidden>
<label>Find <input type="search" id="find" placeholder="path, name or word ( / )" autocomplete="off"></label>
<button type="button" id="unfold">Unfold all</button>
<span id="found" role="status"></span>
</div>
</header>
<div class="columns">
<nav aria-label="Operations">${navigationHtml(tags, places)}</nav>
<main id="operations">
<section class="about">${paragraphs(text(info['description']))}</section>
${sections.join('\n')}
${schemasHtml(document)}
</main>
</div>
<script>${script}</script>
</body>
</html>
`;
}

function operationsOf(document: JsonObject): OperationPlace[] {
  return Object.entries(document['paths'] as JsonObject).flatMap(([path, item]) =>
    Object.entries(item as JsonObject).map(([method, operation]) => ({
      method,
      path,
      operation: operation as JsonObject,
    })),
  );
}

function tagOf(operation: JsonObject): unknown {
  return (operation['tags'] as readonly string[])[0];
}

function resolverOf(document: JsonObject): Resolve {
  return (object) => {
    const ref = object['$ref'];
    if (typeof ref !== 'string') return object;
    let found: JsonObject = document;
    for (const name of ref.split('/').slice(1)) found = found[name] as JsonObject;
    return found;
  };
}

function navigationHtml(tags: readonly JsonObject[], places: readonly OperationPlace[]): string {
  const parts = tags.map((tag) => {
    const name = escape(text(tag['name']));
    const items = places
      .filter(({ operation, method }) => tagOf(operation) === tag['name'] && method !== 'options')
      .map(({ operation, method }) => {
        const id = escape(text(operation['operationId']));
        return `<li><a href="#${id}"><span class="method ${method}">${method}</span> ${id}</a></li>`;
      });
    return `<li><a href="#tag-${name}">${name}</a><ul>${items.join('')}</ul></li>`;
  });
  return `<ul>${parts.join('')}<li><a href="#schemas">Schemas</a></li></ul>`;
}

function tagHtml(tag: JsonObject, places: readonly OperationPlace[], resolve: Resolve): string {
  const name = escape(text(tag['name']));
  const operations = places.map((place) => operationHtml(place, resolve));
  return (
    `<section class="tag" id="tag-${name}"><h2>${name}</h2>` +
    `<p>${inline(text(tag['description']))}</p>${operations.join('\n')}</section>`
  );
}

function schemasHtml(document: JsonObject): string {
  const { schemas } = document['components'] as { readonly schemas: JsonObject };
  const items = Object.entries(schemas).map(
    ([name, schema]) =>
      `<details class="operation schema" id="schema-${escape(name)}"><summary><h3>` +
      `<code class="path">${escape(name)}</code></h3></summary>` +
      `<div class="inside">${schemaHtml(schema as JsonObject)}</div></details>`,
  );
  return `<section class="tag" id="schemas"><h2>Schemas</h2>${items.join('\n')}</section>`;
}
