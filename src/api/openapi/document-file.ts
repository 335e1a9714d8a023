// Writes docs/reference/openapi.json: `npm run openapi`, which takes the examples down first.

import { writeFileSync } from 'node:fs';
import { releaseVersion } from '../../config/release.ts';
import { openApiDocument, openApiText } from './document.ts';
import { readExamples } from './examples.ts';
import type { JsonObject } from './json-schema.ts';

export const DOCUMENT_FILE = new URL('../../../docs/reference/openapi.json', import.meta.url);

/** Byte for byte what the file holds and what every node serves. */
export function currentDocumentText(): string {
  return openApiText(readExamples(), releaseVersion());
}

export function currentDocument(): JsonObject {
  return openApiDocument(readExamples(), releaseVersion());
}

if (import.meta.main && process.argv.includes('--write')) {
  writeFileSync(DOCUMENT_FILE, currentDocumentText());
}
