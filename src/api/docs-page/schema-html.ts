// A JSON Schema for people: its type in words, its members as a list, other schemas as links.

import type { Json, JsonObject } from '../openapi/json-schema.ts';
import { escape, inline, text } from './html.ts';

const REF_START = '#/components/schemas/';
/** Longer enumerations are folded. */
const WORDS_SHOWN_MAX = 12;

/** One line: `string`, `array of Account`, `integer or null`. */
export function typeHtml(schema: JsonObject): string {
  const ref = schema['$ref'];
  if (typeof ref === 'string') {
    const name = escape(ref.slice(REF_START.length));
    return `<a href="#schema-${name}">${name}</a>`;
  }
  const options = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(options)) {
    return options.map((option) => typeHtml(option as JsonObject)).join(' or ');
  }
  if (Array.isArray(schema['allOf'])) return typeHtml(schema['allOf'][0] as JsonObject);
  if (schema['const'] !== undefined)
    return `<code>${escape(JSON.stringify(schema['const']))}</code>`;
  const type = schema['type'];
  if (type === 'array') return `array of ${typeHtml((schema['items'] ?? {}) as JsonObject)}`;
  return escape(Array.isArray(type) ? type.join(' or ') : text(type ?? 'anything'));
}

/** Type, limits, description and members. */
export function schemaHtml(schema: JsonObject): string {
  const parts = [`<p class="type">${typeHtml(schema)}${limitsHtml(schema)}</p>`];
  if (typeof schema['description'] === 'string')
    parts.push(`<p>${inline(schema['description'])}</p>`);
  parts.push(wordsHtml(schema), schemaMembersHtml(schema));
  return parts.join('');
}

export function schemaMembersHtml(schema: JsonObject): string {
  const inner = schema['type'] === 'array' ? (schema['items'] as JsonObject) : schema;
  const members = inner['properties'] as JsonObject | undefined;
  if (members === undefined || Object.keys(members).length === 0) return '';
  const required = new Set((inner['required'] ?? []) as readonly string[]);
  const items = Object.entries(members).map(([name, value]) => {
    const member = value as JsonObject;
    const must = required.has(name) ? '' : ' <span class="optional">optional</span>';
    const description = member['description'];
    const words = typeof description === 'string' ? ` <span>${inline(description)}</span>` : '';
    return (
      `<li><code class="name">${escape(name)}</code> <span class="type">${typeHtml(member)}` +
      `${limitsHtml(member)}</span>${must}${words}${wordsHtml(member)}${schemaMembersHtml(member)}</li>`
    );
  });
  return `<ul class="members">${items.join('')}</ul>`;
}

const LIMITS: readonly (readonly [string, (value: Json) => string])[] = [
  ['minimum', (value) => `at least ${number(value)}`],
  ['maximum', (value) => `at most ${number(value)}`],
  ['minLength', (value) => `at least ${number(value)} characters`],
  ['maxLength', (value) => `at most ${number(value)} characters`],
  ['minItems', (value) => `at least ${number(value)}`],
  ['maxItems', (value) => `at most ${number(value)}`],
  ['pattern', (value) => `<code>${escape(text(value))}</code>`],
  ['format', (value) => escape(text(value))],
  ['default', (value) => `${escape(JSON.stringify(value))} when left out`],
];

function limitsHtml(schema: JsonObject): string {
  const words = LIMITS.flatMap(([name, say]) => {
    const value = schema[name];
    return value === undefined ? [] : [say(value)];
  });
  return words.length === 0 ? '' : `, ${words.join(', ')}`;
}

function number(value: Json): string {
  return Number(value).toLocaleString('en-US');
}

function wordsHtml(schema: JsonObject): string {
  const inner = schema['type'] === 'array' ? (schema['items'] as JsonObject) : schema;
  const words = inner['enum'];
  if (!Array.isArray(words)) return '';
  const list = words
    .map((word) => `<code>${escape(word === null ? 'null' : text(word))}</code>`)
    .join(' ');
  if (words.length <= WORDS_SHOWN_MAX) return ` <span class="words">${list}</span>`;
  return `<details class="words"><summary>one of ${words.length} words</summary>${list}</details>`;
}
