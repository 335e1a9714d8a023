// The purity rule: `base` and `domain` are deterministic. The same command on the same state gives
// the same outcome on every node and in every year, so nothing there may know the time, the
// machine, chance, or a place outside. The compiler holds most of it (tsconfig.domain.json), lint
// another part; this test holds all of it, so that one relaxed setting does not open the door.

import { type Finding, type SourceFile, findingsOf, isCode, isTest } from './source.ts';
import { importsOf } from './imports.ts';

const GLOBALS = [
  'Atomics',
  'Buffer',
  'Date',
  'FinalizationRegistry',
  'Intl',
  'Promise',
  'SharedArrayBuffer',
  'WeakRef',
  'async',
  'await',
  'console',
  'crypto',
  'fetch',
  'globalThis',
  'performance',
  'process',
  'queueMicrotask',
  'setImmediate',
  'setInterval',
  'setTimeout',
  'structuredClone',
];

/** Takes memory that the collector does not count. No second thread ever sees it. */
const SHARED_MEMORY = { path: 'src/domain/ledger/spare-chunks.ts', word: 'SharedArrayBuffer' };

const RULES: readonly { readonly pattern: RegExp; readonly mend: string }[] = [
  {
    pattern: new RegExp(`(?<![.\\w#$])(?:${GLOBALS.join('|')})\\b(?!\\s*:)`, 'g'),
    mend: 'take it as an argument: time from the stamp, everything else from the caller',
  },
  {
    pattern: /\bMath\.(?:random|a?(?:cos|sin|tan)h?|atan2|cbrt|exp(?:m1)?|hypot|log\w*|pow)\b/g,
    mend: 'chance belongs to the entropy port; these functions may differ from engine to engine',
  },
  {
    pattern: /\.(?:localeCompare|toLocale\w+|normalize)\b/g,
    mend: 'compare and change code units: locales and Unicode tables differ between machines',
  },
  {
    pattern: /\bfor\s*\(\s*(?:const|let|var)\s+\w+\s+in\b/g,
    mend: 'use for...of over an array whose order is said',
  },
];

export function isPureZone(path: string): boolean {
  return /^src\/(?:base|domain)\//.test(path) && isCode(path) && !isTest(path);
}

export function purity(files: readonly SourceFile[]): Finding[] {
  return files
    .filter(({ path }) => isPureZone(path))
    .flatMap((file) => [
      ...RULES.flatMap(({ pattern, mend }) =>
        findingsOf(file, file.code, pattern, (match) => ({
          rule: ruleOf(match[0].trim()),
          mend,
        })),
      ).filter(
        ({ path, rule }) => path !== SHARED_MEMORY.path || rule !== ruleOf(SHARED_MEMORY.word),
      ),
      ...importsOf(file)
        .filter(({ specifier }) => !specifier.startsWith('.'))
        .map(({ specifier, line }) => ({
          path: file.path,
          line,
          rule: `${specifier} in the deterministic zone`,
          mend: 'base and domain import nothing but base and domain',
        })),
    ]);
}

function ruleOf(word: string): string {
  return `${word} in the deterministic zone`;
}
