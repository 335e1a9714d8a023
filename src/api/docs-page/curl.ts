// An example as a command that can be pasted into a shell: $URL and $KEY stand for the node's
// address and the key.

import type { Json, JsonObject } from '../openapi/json-schema.ts';
import { text } from './html.ts';

export type CurlRequest = {
  readonly method: string;
  readonly path: string;
  /** False where no key is asked for. */
  readonly withKey: boolean;
  readonly body: Json | undefined;
};

export function curlCommand({ method, path, withKey, body }: CurlRequest): string {
  const parts = ['curl'];
  if (method === 'options' || method === 'put') parts.push(`-X ${method.toUpperCase()}`);
  if (method === 'post' && body === undefined) parts.push('-X POST');
  parts.push(`"$URL${path}"`);
  const lines = [parts.join(' ')];
  if (withKey) lines.push(`  -H "Authorization: Bearer $KEY"`);
  if (body !== undefined) {
    lines.push(`  -H 'Content-Type: application/json'`, `  -d ${quoted(JSON.stringify(body))}`);
  }
  return lines.join(' \\\n');
}

function quoted(raw: string): string {
  return `'${raw.replaceAll("'", String.raw`'\''`)}'`;
}

/** The path with what the examples of its parameters say; names stay where there is none. */
export function examplePath(path: string, parameters: readonly JsonObject[]): string {
  let filled = path;
  for (const { name, in: place, example } of parameters) {
    if (place !== 'path' || example === undefined) continue;
    filled = filled.replace(`{${text(name)}}`, text(example));
  }
  return filled;
}
