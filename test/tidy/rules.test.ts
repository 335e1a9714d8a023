// Each tidy rule is fed something bad and must find it, and something good and must not: a rule
// that finds nothing any more would be a green lie.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
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
} from './house.ts';
import { importCycles, importDirections, packageImports, packagePlaces } from './imports.ts';
import { purity } from './purity.ts';
import { columns, fileSizes, functionSizes, functionsOf, staleOversize } from './sizes.ts';
import { type Finding, type SourceFile, formatFindings, sourceFrom } from './source.ts';
import { bannedConstructs, bareWords, commentedOutCode, testHabits } from './words.ts';

type Rule = (files: readonly SourceFile[]) => Finding[];

function rulesFound(rule: Rule, path: string, text: string): string[] {
  return rule([sourceFrom(path, text)]).map((finding) => `${finding.line} ${finding.rule}`);
}

function finds(rule: Rule, path: string, text: string, expected: RegExp): void {
  assert.match(rulesFound(rule, path, text).join('\n'), expected, `${path}: ${text}`);
}

function passes(rule: Rule, path: string, text: string): void {
  assert.deepEqual(rulesFound(rule, path, text), [], `${path}: ${text}`);
}

describe('the reader of sources', () => {
  test('blanks comments and literals and keeps every offset', () => {
    const text = "const a = 'b // c'; // d 'e'\nconst f = /[/'\"]/g; /* g */ h(`i ${j('k')} l`);\n";
    const file = sourceFrom('src/x.ts', text);
    assert.equal(
      file.code,
      "const a = '      ';         \nconst f = /     /g;         h(`  ${j(' ')}  `);\n",
    );
    assert.match(file.statements, /'b \/\/ c'/);
    assert.equal(file.comments.length, 2);
  });

  test('takes a division for a division', () => {
    const file = sourceFrom('src/x.ts', "const a = (b + 1) / c; const d = e[0] / 2; // 'f\n");
    assert.equal(file.literals.length, 0);
    assert.equal(file.comments.length, 1);
  });

  test('tells findings as file:line, rule and mend', () => {
    const told = formatFindings([{ path: 'src/a.ts', line: 7, rule: 'too long', mend: 'cut it' }]);
    assert.match(told, /src\/a\.ts:7 too long\n {6}mend: cut it/);
  });
});

describe('the import rules', () => {
  const bad: readonly (readonly [string, string])[] = [
    ['src/base/a.ts', "import { x } from '../domain/b.ts';"],
    ['src/domain/ledger/a.ts', "import type { X } from '../../ports/journal.ts';"],
    ['src/ports/a.ts', "export { x } from '../engine/b.ts';"],
    ['src/recovery/a.ts', "import { x } from '../engine/b.ts';"],
    ['src/engine/roles/a.ts', "const x = await import('../../api/b.ts');"],
    ['src/api/a.ts', "import '../main.ts';"],
    ['src/client/a.ts', "import {\n  x,\n} from '../domain/b.ts';"],
    ['src/cli/a.ts', "import { x } from '../engine/b.ts';"],
    ['src/drivers/file/a.ts', "import { x } from '../../domain/b.ts';"],
    ['src/drivers/file/a.ts', "import { x } from '../memory/b.ts';"],
    ['src/config/a.ts', "import { x } from '../telemetry/b.ts';"],
    ['src/engine/a.ts', "new Worker(new URL('../api/b.ts', import.meta.url));"],
    ['examples/bank/a.ts', "import { x } from '../../src/engine/b.ts';"],
    ['src/elsewhere/a.ts', 'const x = 1;'],
  ];
  for (const [path, text] of bad) {
    test(`finds ${path}: ${text.replaceAll('\n', ' ')}`, () => {
      finds(importDirections, path, text, /may not import|has no place/);
    });
  }

  test('lets the allowed directions pass, and tests and main do as they like', () => {
    passes(importDirections, 'src/api/a.ts', "import { x } from '../engine/b.ts';");
    passes(importDirections, 'src/drivers/file/a.ts', "import { x } from '../../ports/b.ts';");
    passes(importDirections, 'src/drivers/file/a.ts', "import { x } from './b.ts';");
    passes(importDirections, 'src/drivers/index.ts', "const x = import('./file/b.ts');");
    passes(importDirections, 'src/main.ts', "import { x } from './api/b.ts';");
    passes(importDirections, 'src/base/a.test.ts', "import { x } from '../engine/b.ts';");
    passes(importDirections, 'src/base/a.ts', 'const x = "import { y } from \'../api/b.ts\'";');
  });

  test('finds a package outside its place, and one that has no line', () => {
    const places = packagePlaces('| `fastify` | `src/api` | HTTP | others |\n');
    const rule: Rule = (files) => packageImports(files, places);
    finds(rule, 'src/engine/a.ts', "import fastify from 'fastify';", /fastify may not/);
    finds(rule, 'src/api/a.ts', "import x from 'express/lib';", /express may not/);
    finds(rule, 'src/api/a.ts', "import x from 'fs';", /fs may not/);
    passes(rule, 'src/api/a.ts', "import fastify from 'fastify';\nimport 'node:fs';");
    passes(rule, 'test/a.ts', "import x from 'fast-check';");
  });

  test('finds a circle', () => {
    const files = [
      sourceFrom('src/base/a.ts', "import { b } from './b.ts';"),
      sourceFrom('src/base/b.ts', "import { c } from './c.ts';"),
      sourceFrom('src/base/c.ts', "import { a } from './a.ts';"),
    ];
    assert.equal(importCycles(files).length, 1);
    assert.match(importCycles(files)[0]?.rule ?? '', /a\.ts -> .*b\.ts -> .*c\.ts -> .*a\.ts/);
    assert.deepEqual(importCycles(files.slice(0, 2)), []);
  });
});

describe('the size rules', () => {
  const body = (lines: number): string => '  step();\n'.repeat(lines);
  const long = `${body(70)}}`;
  const withoutExceptions: Rule = (files) => functionSizes(files, {});

  const heads: readonly (readonly [string, string])[] = [
    ['plain', 'export function plain(a: number): Promise<readonly string[]> {\n'],
    ['typed', 'function typed(a: { b: number }): { readonly c: number } | undefined {\n'],
    ['generic', 'async function* generic<T extends object>(items: T[]): AsyncIterable<T> {\n'],
    ['method', 'class A { async method(\n  a: number,\n): Promise<void> {\n'],
    ['#hidden', 'class A { #hidden(a = f({})): asserts a is B {\n'],
    ['constructor', 'class A { constructor(a: number) {\n'],
    ['named', 'const named = async (a: number): Promise<void> => {\n'],
    ['arrow', 'function f() { return (a: number) => {\n'],
    ['run', 'run(() => {\n'],
  ];
  for (const [name, head] of heads) {
    test(`finds a function of more than 70 lines: ${name}`, () => {
      finds(withoutExceptions, 'src/a.ts', head + long, new RegExp(`#(${name}|arrow) has \\d\\d`));
    });
  }

  test('takes ifs, loops and objects for what they are', () => {
    const text = `if (a) {\n${long}\nfor await (const b of c) {\n${long}\nconst d = e ? f(g) : {\n${long}`;
    passes(withoutExceptions, 'src/a.ts', text);
    assert.deepEqual(functionsOf(sourceFrom('src/a.ts', 'switch (a) { case (b): { c(); } }')), []);
  });

  test('lets 70 lines pass, and in tests counts a suite without its tests', () => {
    passes(withoutExceptions, 'src/a.ts', `function f() {\n${body(68)}}`);
    const suite = `describe('a', () => {\n${`test('b', () => {\n${body(20)}});\n`.repeat(9)}});`;
    passes(withoutExceptions, 'test/a.test.ts', suite);
    finds(withoutExceptions, 'test/a.test.ts', `test('b', () => {\n${long});`, /71|72/);
  });

  test('finds a file of more than 600 lines', () => {
    finds((files) => fileSizes(files, {}), 'src/a.ts', 'x();\n'.repeat(601), /has 601 lines/);
    passes((files) => fileSizes(files, {}), 'src/a.ts', 'x();\n'.repeat(600));
  });

  test('lets an exception shrink but not grow, and asks to lower it', () => {
    const rule =
      (lines: number): Rule =>
      (files) =>
        fileSizes(files, { 'src/a.ts': lines });
    passes(rule(650), 'src/a.ts', 'x();\n'.repeat(650));
    finds(rule(650), 'src/a.ts', 'x();\n'.repeat(651), /has 651 lines, 650 are allowed/);
    finds(rule(650), 'src/a.ts', 'x();\n'.repeat(640), /has shrunk to 640/);
    finds((files) => staleOversize(files, { 'src/b.ts': 700 }), 'src/a.ts', '', /not there/);
    finds((files) => staleOversize(files, { 'src/a.ts#f': 80 }), 'src/a.ts', '', /not there/);
  });

  test('finds long lines, but for strings and addresses', () => {
    finds(columns, 'src/a.ts', `${'a + '.repeat(30)}a;`, /121|122 columns/);
    finds(columns, 'src/a.ts', `// ${'word '.repeat(21)}`, /columns/);
    passes(columns, 'src/a.ts', `const a = '${'b'.repeat(120)}';`);
    passes(columns, 'src/a.ts', `// see https://example.org/${'b'.repeat(120)}`);
  });
});

describe('the rules about words', () => {
  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['src/a.ts', '// TODO: later', /TODO/],
    ['src/a.ts', "const a = '/work/main';", /path of one machine/],
    ['.ci/run', 'cd /home/somebody', /path of one machine/],
    ['package-lock.json', '"https://registry.npmjs.org/a"', /registry/],
    ['src/a.ts', 'export default 1;', /default export/],
    ['src/a.ts', 'const enum Colour { red }', /enum/],
    ['src/a.ts', 'const a = b as any;', /as any/],
    ['src/a.ts', 'const a = b as unknown as C;', /as unknown as/],
    ['src/a.ts', 'timer.unref();', /hold the process/],
    ['package.json', '"test": "node --test --test-force-exit"', /hold the process/],
    ['src/a.ts', 'const timeout = 5;', /without its unit: timeout/],
    ['src/a.ts', 'const leaseTimeout = 5;', /without its unit: leaseTimeout/],
    ['docs/a.md', 'see entry.ts:12', /number of a line/],
  ];
  for (const [path, text, expected] of bad) {
    test(`finds ${text} in ${path}`, () => finds(bannedConstructs, path, text, expected));
  }

  test('lets their good neighbours pass', () => {
    passes(bannedConstructs, 'src/a.ts', '// TODO #12: later, as any enum and timeout in prose');
    passes(bannedConstructs, 'src/a.ts', 'const timeoutMs = setTimeout(f, leaseTimeoutMs);');
    passes(bannedConstructs, 'src/a.ts', 'fastify({ requestTimeout: requestMs });');
    passes(bannedConstructs, 'src/a.ts', 'const a = AbortSignal.timeout(waitMs);');
    passes(bannedConstructs, 'src/a.ts', "const a = `${b}/work/c`; const d = 'docs/work/e';");
  });

  test('finds bare words with many meanings, in names and in prose', () => {
    finds(bareWords, 'src/a.ts', 'const transactionId = 1;', /transaction/);
    finds(bareWords, 'src/a.ts', 'function loadSnapshot() {}', /Snapshot/);
    finds(bareWords, 'docs/a.md', 'a transaction moves money', /transaction/);
    passes(
      bareWords,
      'src/a.ts',
      "// an exclusive transaction of SQLite\nread('transactions.csv');",
    );
    passes(bareWords, 'docs/GLOSSARY.md', 'never say transaction');
  });

  test('finds code that is commented out, and leaves prose alone', () => {
    finds(commentedOutCode, 'src/a.ts', '// const a = b();', /commented-out/);
    finds(commentedOutCode, 'src/a.ts', 'f();\n  // await close(journal);', /2 commented-out/);
    finds(commentedOutCode, 'src/a.ts', '// if (a === b) {', /commented-out/);
    passes(commentedOutCode, 'src/a.ts', '// return the outcome; the caller waits for it');
    passes(commentedOutCode, 'src/a.ts', '// the entry: {magic, version, kind}');
    passes(commentedOutCode, 'src/a.ts', "const a = '// const b = c();';");
  });

  test('finds tests that do not run, keep others from running, or sleep', () => {
    finds(testHabits, 'src/a.test.ts', "test.only('a', f);", /keeps others/);
    finds(testHabits, 'src/a.test.ts', "test.skip('a', f);", /does not run/);
    finds(testHabits, 'src/a.test.ts', "test('a', { skip: true }, f);", /does not run/);
    finds(testHabits, 'test/a.test.ts', "test('a', { todo: 'b' }, f);", /does not run/);
    finds(testHabits, 'test/a.ts', 'await sleep(100);', /sleeps/);
    finds(
      testHabits,
      'test/a.ts',
      'await new Promise((resolve) => setTimeout(resolve, 9));',
      /sleeps/,
    );
    passes(testHabits, 'test/a.ts', 'while (!ready()) {\n  await setTimeout(5);\n}');
    passes(testHabits, 'src/a.ts', 'rows.skip(3);');
  });
});

describe('the purity rule', () => {
  const bad = [
    'const a = new Date();',
    'const a = Math.random();',
    'const a = Math.pow(2, b);',
    'a.localeCompare(b);',
    'new Intl.NumberFormat();',
    'const a = new WeakRef(b);',
    'const a = process.env;',
    'Buffer.from(a);',
    'async function f() {}',
    'type A = Promise<void>;',
    "import fs from 'node:fs';",
    "import x from 'dinero.js';",
    'setTimeout(f, 1);',
    'performance.now();',
    'console.log(a);',
    'for (const a in b) c();',
  ];
  for (const text of bad) {
    test(`finds ${text}`, () => {
      finds(purity, 'src/domain/a.ts', text, /deterministic zone/);
      passes(purity, 'src/engine/a.ts', text);
      passes(purity, 'src/domain/a.test.ts', text);
    });
  }

  test('lets one file take shared memory, and nothing else', () => {
    const text = 'const a = new SharedArrayBuffer(b);';
    finds(purity, 'src/domain/a.ts', text, /SharedArrayBuffer in the deterministic zone/);
    passes(purity, 'src/domain/ledger/spare-chunks.ts', text);
    finds(purity, 'src/domain/ledger/spare-chunks.ts', 'Date.now();', /deterministic zone/);
  });

  test('lets the words stand in prose and as names of members', () => {
    passes(purity, 'src/base/a.ts', "// the Date of a process\nconst a = 'console';\nb.process();");
  });
});

describe('the rules of the house', () => {
  test('finds names that are not kebab-case', () => {
    finds(fileNames, 'src/base/transferRecord.ts', '', /kebab/);
    finds(fileNames, 'docs/Some_Page.md', '', /kebab/);
    passes(fileNames, 'src/base/transfer-record.test.ts', '');
    passes(fileNames, 'docs/adr/0001-one-journal.md', '');
  });

  test('finds files without a head', () => {
    finds(
      fileHeads,
      'src/base/a.ts',
      "import a from './b.ts';\n// too late, and this is long enough",
      /head/,
    );
    finds(fileHeads, 'src/base/a.ts', '// short\n', /head/);
    passes(fileHeads, 'src/base/a.ts', '// What this file is and which invariant it keeps.\nx();');
    passes(
      fileHeads,
      'bin/a.js',
      '#!/usr/bin/env node\n// What this file is, and what it keeps for whom.\n',
    );
  });

  test('finds refusal numbers that are doubled, changed, gone or not listed', () => {
    const committed = parseRefusalNumbers('# head\n1 first\n2 second\n');
    const rules = (list: readonly { number: number; name: string }[]): string =>
      refusalNumbers(list, committed)
        .map(({ rule }) => rule)
        .join('\n');
    const first = { number: 1, name: 'first' };
    const second = { number: 2, name: 'second' };
    assert.equal(rules([first, second]), '');
    assert.match(rules([first, second, { number: 2, name: 'third' }]), /are both 2/);
    assert.match(rules([first, second, { number: 3, name: 'first' }]), /there twice/);
    assert.match(rules([first, { number: 2, name: 'other' }]), /2 was second and is other/);
    assert.match(rules([first]), /2 was second and is gone/);
    assert.match(rules([first, second, { number: 3, name: 'third' }]), /3 third is not listed/);
    assert.notEqual(frozenDigest(committed, 2), frozenDigest([first, { ...second, name: 'x' }], 2));
    assert.equal(frozenDigest(committed, 1), frozenDigest([first, { ...second, name: 'x' }], 1));
  });

  test('finds words that the glossary lacks or explains twice', () => {
    const text = '- **entry**: a group.\n- **entry**: a line.\n';
    assert.match(
      formatFindings(glossary(text, ['entry'])),
      /GLOSSARY\.md:2 "entry" is explained twice/,
    );
    assert.match(formatFindings(glossary(text, ['roll'])), /"roll" is not explained/);
    assert.deepEqual(glossary('- **debit, credit**: two sides.\n', ['credit']), []);
  });

  test('finds packages without a reason, reasons without a package, and loose versions', () => {
    const places = packagePlaces('| `a` | | | |\n| `b` | `src/api` | | |\n');
    const found = dependencies({ dependencies: { a: '^1.0.0', c: '2.0.0' } }, places);
    const told = formatFindings(found);
    assert.match(told, /c is missing/);
    assert.match(told, /b is not a dependency/);
    assert.match(told, /a is \^1\.0\.0, which is not one version/);
    assert.equal(found.length, 3);
  });

  test('finds hosts, install scripts and missing platforms in the lock file', () => {
    const packages = {
      'node_modules/a': { resolved: 'somewhere' },
      'node_modules/b': { hasInstallScript: true },
      'node_modules/c': { hasInstallScript: true, optionalDependencies: { a: '1', d: '1' } },
    };
    const found = lockFile(JSON.stringify({ packages }), { allowScripts: { c: true } });
    assert.equal(found.length, 3);
    assert.match(formatFindings(found), /d \(of c\) is not locked/);
    assert.match(formatFindings(found), /a is resolved to a host[\s\S]*b has an install script/);
  });

  test('finds links that lead nowhere', () => {
    const rule: Rule = (files) => documentLinks(files, (path) => path === 'docs/there.md');
    finds(rule, 'docs/adr/a.md', 'see [b](../gone.md)', /gone\.md is not there/);
    finds(rule, 'src/a.ts', '// see docs/gone.md.', /docs\/gone\.md is not there/);
    passes(
      rule,
      'docs/adr/a.md',
      'see [b](../there.md#c) and [d](https://example.org) and [e](#f)',
    );
    passes(rule, 'src/a.ts', '// see docs/there.md.');
  });

  test('finds documents that nobody links to', () => {
    const index = sourceFrom('docs/README.md', 'see [a](adr/0001-a.md)');
    const files = [index, sourceFrom('docs/adr/0001-a.md', ''), sourceFrom('docs/b.md', '')];
    assert.match(formatFindings(unlinkedDocuments(files)), /1 finding.*\n.*docs\/b\.md/);
  });
});
