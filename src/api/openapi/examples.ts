// The examples of the document: requests and answers that a real node gave, as a test took them
// down (test/conformance/openapi). The test takes them again and compares.

import { readFileSync } from 'node:fs';
import type { Json, JsonObject } from './json-schema.ts';

export type Example = {
  /** Unique among those of the operation; for people. */
  readonly name: string;
  readonly request: {
    readonly path?: { readonly [name: string]: string };
    readonly query?: { readonly [name: string]: string };
    readonly headers?: { readonly [name: string]: string };
    readonly body?: Json;
  };
  readonly status: number;
  /** Missing where it is the first one of the operation. */
  readonly mediaType?: string;
  /** Missing where the answer has no body, or one that is too long to repeat. */
  readonly answer?: Json;
};

export type Examples = {
  /** By the id of the operation. */
  readonly operations: { readonly [id: string]: readonly Example[] };
  /** A problem document for each code that was heard. */
  readonly problems: { readonly [code: string]: JsonObject };
};

export const EXAMPLES_FILE = new URL('./examples.json', import.meta.url);

export function readExamples(): Examples {
  return JSON.parse(readFileSync(EXAMPLES_FILE, 'utf8')) as Examples;
}
