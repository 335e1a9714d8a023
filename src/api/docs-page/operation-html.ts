// One operation of the document as a folded block: parameters, body, answers, and a command for it.

import type { Json, JsonObject } from '../openapi/json-schema.ts';
import { curlCommand, examplePath } from './curl.ts';
import { codeBlock, escape, inline, paragraphs, text } from './html.ts';
import { schemaHtml, schemaMembersHtml, typeHtml } from './schema-html.ts';

export type OperationPlace = {
  readonly method: string;
  readonly path: string;
  readonly operation: JsonObject;
};

/** Follows `$ref` within the document. */
export type Resolve = (object: JsonObject) => JsonObject;

type Named = readonly [name: string, value: JsonObject];

export function operationHtml(place: OperationPlace, resolve: Resolve): string {
  const { method, path, operation } = place;
  const id = text(operation['operationId']);
  const parameters = ((operation['parameters'] ?? []) as readonly JsonObject[]).map(resolve);
  const summary =
    `<span class="method ${method}">${method.toUpperCase()}</span> ` +
    `<code class="path">${pathHtml(path)}</code> ` +
    `<span class="summary">${inline(text(operation['summary']))}</span>`;
  const description = operation['description'];
  return (
    `<details class="operation" id="${escape(id)}"><summary><h3>${summary}</h3></summary>` +
    '<div class="inside">' +
    (typeof description === 'string' ? paragraphs(description) : '') +
    accessHtml(operation) +
    parametersHtml(parameters) +
    bodyHtml(operation, resolve) +
    commandHtml(place, parameters, resolve) +
    answersHtml(operation, resolve) +
    '</div></details>'
  );
}

/** A long path may break behind each slash. */
function pathHtml(path: string): string {
  return escape(path).replaceAll('/', '/<wbr>');
}

function accessHtml({ security }: JsonObject): string {
  if (security === undefined) return '';
  const words =
    (security as readonly Json[]).length === 0
      ? 'Without key.'
      : 'With the key as bearer, or as the password of HTTP Basic.';
  return `<p class="access">${words}</p>`;
}

function parametersHtml(parameters: readonly JsonObject[]): string {
  const items = parameters.map((parameter) => {
    const { name, in: place, required, description, schema } = parameter;
    const must = required === true ? '' : ' <span class="optional">optional</span>';
    return (
      `<li><code class="name">${escape(text(name))}</code> <span class="place">${escape(text(place))}</span>` +
      `${must} <span>${inline(text(description))}</span>${schemaHtml(schema as JsonObject)}</li>`
    );
  });
  return items.length === 0 ? '' : `<h4>Parameters</h4><ul class="members">${items.join('')}</ul>`;
}

function bodyHtml(operation: JsonObject, resolve: Resolve): string {
  const body = operation['requestBody'] as JsonObject | undefined;
  if (body === undefined) return '';
  const optional = body['required'] === true ? '' : ' <span class="optional">optional</span>';
  return `<h4>Body${optional}</h4>${contentHtml(body, resolve, 'request')}`;
}

function contentHtml(holder: JsonObject, resolve: Resolve, what: string): string {
  return entries(holder['content'])
    .map(([mediaType, { schema, examples }]) => {
      const shown = entries(examples).map(([name, example]) => {
        const { value } = resolve(example);
        const shownText = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
        return `<p class="example">${escape(name.replaceAll('-', ' '))}</p>${codeBlock(shownText, `${what}: ${name}`)}`;
      });
      const head = `<p class="media"><code>${escape(mediaType)}</code></p>`;
      return `${head}${membersHtml(schema as JsonObject, resolve)}${shown.join('')}`;
    })
    .join('');
}

/** A schema that stands elsewhere: its name as a link, and its members here as well. */
function membersHtml(schema: JsonObject, resolve: Resolve): string {
  if (schema['$ref'] === undefined) return schemaHtml(schema);
  const { type: _type, ...members } = resolve(schema);
  return `<p class="type">${typeHtml(schema)}</p>${schemaMembersHtml(members)}`;
}

/** With the body of the first example. */
function commandHtml(place: OperationPlace, parameters: readonly JsonObject[], resolve: Resolve) {
  const { method, path, operation } = place;
  const body = operation['requestBody'] as JsonObject | undefined;
  const [content] = entries(body?.['content']);
  const [example] = entries(content?.[1]['examples']);
  const security = operation['security'] as readonly Json[] | undefined;
  const command = curlCommand({
    method,
    path: examplePath(path, parameters),
    withKey: security === undefined || security.length > 0,
    body: example === undefined ? undefined : resolve(example[1])['value'],
  });
  return `<h4>With curl</h4>${codeBlock(command, 'command')}`;
}

function answersHtml(operation: JsonObject, resolve: Resolve): string {
  const items = entries(operation['responses']).map(([status, reference]) => {
    const response = resolve(reference);
    const headers = entries(response['headers']).map(([name, header]) => {
      const { description, schema } = resolve(header);
      return (
        `<li><code class="name">${escape(name)}</code> <span class="type">` +
        `${typeHtml(schema as JsonObject)}</span> ${inline(text(description))}</li>`
      );
    });
    const kind = status.startsWith('2') || status.startsWith('3') ? 'good' : 'bad';
    return (
      `<details class="answer"><summary><span class="status ${kind}">${escape(status)}</span> ` +
      `${inline(text(response['description']))}</summary><div class="inside">` +
      contentHtml(response, resolve, status) +
      `<h5>Headers</h5><ul class="members">${headers.join('')}</ul></div></details>`
    );
  });
  return `<h4>Answers</h4>${items.join('')}`;
}

function entries(value: Json | undefined): Named[] {
  return Object.entries((value ?? {}) as JsonObject) as Named[];
}
