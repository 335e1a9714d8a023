// The house rules as a test: reads the whole tree and says file:line, rule and mend. The rules
// stand in test/tidy/, one file for each kind; rules.test.ts there feeds each of them something
// bad.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { REFUSALS } from '../src/domain/refusals.ts';
import { OVERSIZE } from './tidy/exceptions.ts';
import {
  type Manifest,
  dependencies,
  documentLinks,
  fileHeads,
  fileNames,
  frozenDigest,
  glossary,
  lockFile,
  parseRefusalNumbers,
  refusalNumbers,
  unlinkedDocuments,
} from './tidy/house.ts';
import { importCycles, importDirections, packageImports, packagePlaces } from './tidy/imports.ts';
import { purity } from './tidy/purity.ts';
import { columns, fileSizes, functionSizes, staleOversize } from './tidy/sizes.ts';
import { type Finding, formatFindings, readTree } from './tidy/source.ts';
import { bannedConstructs, bareWords, commentedOutCode, testHabits } from './tidy/words.ts';
import './tidy/rules.test.ts';

const ROOT = resolve(import.meta.dirname, '..');
const FILES = readTree(ROOT);

/** The words of the design, and the stored formats' words. */
const TERMS = `command, entry, position, offset, epoch, apply, outcome, event, effect, view, feed,
  checkpoint, recovery point, timeline, account, debit, credit, transfer, hold, post, void, posted,
  pending, payment, authorise, capture, refund, rail, in doubt, participant, position limit, cycle,
  obligation, settle, reconcile, frame, seal, void record, opening, roll, edge, window, bucket,
  image, segment, stamp, tick, digest, durable, torn, corrupt, refusal, transient, chain, ledger,
  intake, sequencer, appender, applier, publisher, responder, leader, standby, fencing,
  supervision term, fence, deposed`
  .split(',')
  .map((term) => term.trim());

/** Refusal numbers of version 0.1: these lines of refusal-numbers.txt never change. */
const REFUSALS_FROZEN = {
  count: 84,
  digest: 'b5509a419b313e26d65ecdc5ceb4e1e506533bcedb11d6979569ffdab81757b8',
};

function textOf(path: string): string {
  return FILES.find((file) => file.path === path)?.text ?? '';
}

function none(findings: readonly Finding[]): void {
  assert.ok(findings.length === 0, formatFindings(findings));
}

function exists(path: string): boolean {
  return existsSync(resolve(ROOT, path)) || FILES.some((file) => file.path.startsWith(path));
}

const MANIFEST = JSON.parse(textOf('package.json')) as Manifest;
const PLACES = packagePlaces(textOf('docs/dependencies.md'));
const COMMITTED = parseRefusalNumbers(textOf('test/tidy/refusal-numbers.txt'));

test('the tree is read: the rules look at something', () => {
  assert.ok(FILES.some(({ path }) => path === 'src/base/entry.ts'));
  assert.ok(FILES.some(({ path }) => path === 'docs/GLOSSARY.md'));
  assert.ok(PLACES.size > 10 && COMMITTED.length > 80);
});

test('imports go one way through the layers', () => none(importDirections(FILES)));

test('packages are imported only where docs/dependencies.md allows it', () =>
  none(packageImports(FILES, PLACES)));

test('imports go round in no circle', () => none(importCycles(FILES)));

test('functions have at most 70 lines', () => none(functionSizes(FILES, OVERSIZE)));

test('files have at most 600 lines', () => none(fileSizes(FILES, OVERSIZE)));

test('the list of exceptions to the sizes names only what is there', () =>
  none(staleOversize(FILES, OVERSIZE)));

test('lines have at most 100 columns', () => none(columns(FILES)));

test('banned constructs stand nowhere', () => none(bannedConstructs(FILES)));

test('words with many meanings are not used bare', () => none(bareWords(FILES)));

test('no code is commented out', () => none(commentedOutCode(FILES)));

test('all tests run, and none sleeps', () => none(testHabits(FILES)));

test('base and domain are deterministic', () => none(purity(FILES)));

test('files have kebab-case names', () => none(fileNames(FILES)));

test('every source file begins with what it is', () => none(fileHeads(FILES)));

test('refusal numbers are unique and listed', () => none(refusalNumbers(REFUSALS, COMMITTED)));

test('refusal numbers that were released have not changed', () => {
  const { count, digest } = REFUSALS_FROZEN;
  const message =
    'test/tidy/refusal-numbers.txt: a line that was released has changed. Mend: put it back and ' +
    'append a new one; numbers stand in journals and in digests.';
  assert.equal(frozenDigest(COMMITTED, count), digest, message);
});

test('the glossary explains every word of the design once', () =>
  none(glossary(textOf('docs/GLOSSARY.md'), TERMS)));

test('every package has its reason, and an exact version', () =>
  none(dependencies(MANIFEST, PLACES)));

test('the lock file names no host, no unasked install script, and all platforms', () =>
  none(lockFile(textOf('package-lock.json'), MANIFEST)));

test('links and named documents lead to files that are there', () =>
  none(documentLinks(FILES, exists)));

test('every document can be found from another one', () => none(unlinkedDocuments(FILES)));
