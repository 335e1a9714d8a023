// JSON as a payment core must read it: one reading for one text. `JSON.parse` alone takes the last
// of two members with one name, so that two readers of one body can see two amounts; it also takes
// lone surrogates and any depth. Those are refused here, on the raw bytes of the body.
//
// The common case costs one pass over the bytes: it counts the colons outside of strings, which is
// the number of members in the text, and the parsed value must have as many. Only when it has fewer
// (or when the text has \u escapes) does the slow scanner look for the place.

import { isUtf8 } from 'node:buffer';
import type { InputCode } from './status-map.ts';

/** The deepest body of this API has four levels. */
export const JSON_DEPTH_MAX = 16;

/** A longer name is cut, not escaped: problems.ts names its parent anyway. */
const NAME_SHOWN_MAX = 1024;

export type JsonFault = {
  readonly kind: 'fault';
  readonly code: InputCode;
  /** RFC 6901; empty for the whole body. */
  readonly pointer: string;
  readonly detail: string;
};

export type JsonReading = { readonly kind: 'value'; readonly value: unknown } | JsonFault;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const LETTER_U = 0x75;

/** A body that is not JSON may still be counted, so nothing here relies on it being well-formed. */
type Count = { members: number; depth: number; unicodeEscapes: boolean };

export function readStrictJson(bytes: Buffer): JsonReading {
  if (bytes.byteLength === 0) return fault('body_required', '', 'The request has no body.');
  if (!isUtf8(bytes)) return fault('json_not_utf8', '', 'The body is not valid UTF-8.');
  const count = countMembers(bytes);
  if (count.depth > JSON_DEPTH_MAX) {
    return fault(
      'json_too_deep',
      '',
      `The body is nested more than ${JSON_DEPTH_MAX} levels deep.`,
    );
  }
  const text = bytes.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return fault('json_malformed', '', `The body is not JSON${placeOf(error)}.`);
  }
  if (countOwnMembers(value) !== count.members || count.unicodeEscapes) {
    const found = scan(text);
    if (found !== undefined) return found;
  }
  return { kind: 'value', value };
}

/** `pointer` with one more reference token, escaped as RFC 6901 says. */
export function childPointer(pointer: string, name: string | number): string {
  if (typeof name === 'number') return `${pointer}/${name}`;
  if (name.length > NAME_SHOWN_MAX) return `${pointer}/${name.slice(0, NAME_SHOWN_MAX)}`;
  return `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function fault(code: InputCode, pointer: string, detail: string): JsonFault {
  return { kind: 'fault', code, pointer, detail };
}

/** V8's message quotes the body; only the place is passed on. */
function placeOf(error: unknown): string {
  const place = error instanceof Error ? / at position \d+/.exec(error.message) : null;
  return place === null ? ' or ends too early' : ` (look${place[0]})`;
}

function countMembers(bytes: Uint8Array): Count {
  const count: Count = { members: 0, depth: 0, unicodeEscapes: false };
  const length = bytes.byteLength;
  let depth = 0;
  for (let index = 0; index < length; index++) {
    const byte = bytes[index]!;
    if (byte === QUOTE) {
      index++;
      while (index < length && bytes[index] !== QUOTE) {
        if (bytes[index] === BACKSLASH) {
          index++;
          if (bytes[index] === LETTER_U) count.unicodeEscapes = true;
        }
        index++;
      }
    } else if (byte === COLON) {
      count.members++;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth++;
      if (depth > count.depth) count.depth = depth;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--;
    }
  }
  return count;
}

/**
 * Members of all objects of a parsed value. A dangerous name makes the count impossible (-1 for
 * each), which sends the text to the slow scanner. The depth was bounded before.
 */
function countOwnMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) {
      if (typeof item === 'object') members += countOwnMembers(item);
    }
    return members;
  }
  const object = value as Record<string, unknown>;
  // oxlint-disable-next-line guard-for-in -- JSON.parse makes plain objects: nothing is inherited
  for (const name in object) {
    if (isDangerousName(name)) return Number.NEGATIVE_INFINITY;
    members++;
    const item = object[name];
    if (typeof item === 'object') members += countOwnMembers(item);
  }
  return members;
}

/** Names that other programs which handle the same body could mistake for a prototype. */
function isDangerousName(name: string): boolean {
  return name === '__proto__' || name === 'constructor' || name === 'prototype';
}

/** Walks a text that JSON.parse has accepted; returns the first fault in text order. */
function scan(text: string): JsonFault | undefined {
  return new Scanner(text).value('');
}

class Scanner {
  readonly #text: string;
  #index = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(pointer: string): JsonFault | undefined {
    switch (this.#next()) {
      case '{':
        return this.#object(pointer);
      case '[':
        return this.#array(pointer);
      case '"':
        return this.#string().isWellFormed() ? undefined : loneSurrogate(pointer);
      default:
        while (!',]}'.includes(this.#next())) this.#index++;
        return undefined;
    }
  }

  #object(pointer: string): JsonFault | undefined {
    const names = new Set<string>();
    this.#index++;
    while (this.#next() !== '}') {
      if (this.#next() === ',') this.#index++;
      this.#next();
      const name = this.#string();
      const member = childPointer(pointer, name);
      if (!name.isWellFormed()) return loneSurrogate(pointer);
      if (names.has(name)) {
        return fault('duplicate_key', member, 'The same member stands twice in one object.');
      }
      if (isDangerousName(name)) {
        return fault('forbidden_key', member, 'A member may not have this name.');
      }
      names.add(name);
      this.#next();
      this.#index++;
      const inner = this.value(member);
      if (inner !== undefined) return inner;
    }
    this.#index++;
    return undefined;
  }

  #array(pointer: string): JsonFault | undefined {
    this.#index++;
    for (let item = 0; this.#next() !== ']'; item++) {
      if (this.#next() === ',') this.#index++;
      const inner = this.value(childPointer(pointer, item));
      if (inner !== undefined) return inner;
    }
    this.#index++;
    return undefined;
  }

  /** Stands on the opening quote; ends behind the closing one. */
  #string(): string {
    const start = this.#index;
    this.#index++;
    while (this.#text[this.#index] !== '"') this.#index += this.#text[this.#index] === '\\' ? 2 : 1;
    this.#index++;
    return JSON.parse(this.#text.slice(start, this.#index)) as string;
  }

  /** Skips white space; the character that follows, or `]` at the end of the text. */
  #next(): string {
    while (' \t\r\n'.includes(this.#text[this.#index] ?? 'x')) this.#index++;
    return this.#text[this.#index] ?? ']';
  }
}

function loneSurrogate(pointer: string): JsonFault {
  return fault(
    'json_lone_surrogate',
    pointer,
    'A string holds half a character (a lone surrogate).',
  );
}
