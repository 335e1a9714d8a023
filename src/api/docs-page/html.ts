// HTML from texts. Everything that comes from the document goes through `escape`.

import type { Json } from '../openapi/json-schema.ts';

const ENTITIES: { readonly [character: string]: string } = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escape(raw: string): string {
  return raw.replaceAll(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** The little Markdown that descriptions have: `code` and **bold**. */
export function inline(raw: string): string {
  return escape(raw)
    .replaceAll(/`([^`]+)`/g, '<code>$1</code>')
    .replaceAll(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>');
}

/** The same with a paragraph for each block. */
export function paragraphs(raw: string): string {
  return raw
    .split(/\n{2,}/)
    .map((block) => `<p>${inline(block)}</p>`)
    .join('');
}

/** A block of code with a button that copies it; the button shows where scripts run. */
export function codeBlock(code: string, label: string): string {
  return (
    `<div class="code"><pre tabindex="0" aria-label="${escape(label)}">${escape(code)}</pre>` +
    '<button type="button" class="copy" hidden>Copy</button></div>'
  );
}

/** A value of the document as a text: strings as they are. */
export function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? '');
}
