// The rules of the house as a whole: names and heads of files, refusal numbers, glossary,
// dependencies, and documents that point to things that are there.

import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { PackagePlaces } from './imports.ts';
import { type Finding, type SourceFile, findingsOf, isCode, isTest, isTidy } from './source.ts';

const CODE_NAME = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|bench|d))*\.(?:ts|js|mjs)$/;
const DOCUMENT_NAME = /^(?:[A-Z]+|[a-z0-9]+(?:-[a-z0-9]+)*)\.md$/;

export function fileNames(files: readonly SourceFile[]): Finding[] {
  return files
    .filter(({ path }) => isCode(path) || path.endsWith('.md'))
    .filter(({ path }) => {
      const name = posix.basename(path);
      return !(isCode(path) ? CODE_NAME : DOCUMENT_NAME).test(name);
    })
    .map(({ path }) => ({
      path,
      line: 1,
      rule: 'the name is not kebab-case',
      mend: 'lower case, words joined by -, a noun: transfer-record.ts',
    }));
}

const HEAD_CHARACTERS_MIN = 20;

/** What this is, which invariant it keeps, where it stands. Tests say it by their names. */
export function fileHeads(files: readonly SourceFile[]): Finding[] {
  return files
    .filter(({ path }) => isCode(path) && !isTest(path))
    .filter((file) => {
      const begin = file.text.startsWith('#!') ? file.text.indexOf('\n') + 1 : 0;
      const head = /^\s*(?:(?:\/\/[^\n]*\n)+|\/\*[\s\S]*?\*\/)/.exec(file.text.slice(begin));
      return (head?.[0].trim().length ?? 0) < HEAD_CHARACTERS_MIN;
    })
    .map(({ path }) => ({
      path,
      line: 1,
      rule: 'no head comment',
      mend: 'begin the file with a sentence: what it is, what it keeps, where it stands',
    }));
}

export type RefusalLine = { readonly number: number; readonly name: string };

/** The committed list as `number name` lines. */
export function parseRefusalNumbers(text: string): RefusalLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [number = '', name = ''] = line.split(' ');
      return { number: Number(number), name };
    });
}

const REFUSALS_PATH = 'src/domain/refusals.ts';
const NUMBERS_PATH = 'test/tidy/refusal-numbers.txt';

/** Numbers are in digests and on wires: each has one name for ever, and the list only grows. */
export function refusalNumbers(
  refusals: readonly RefusalLine[],
  committed: readonly RefusalLine[],
): Finding[] {
  const findings: Finding[] = [];
  const tell = (path: string, rule: string, mend: string): void => {
    findings.push({ path, line: 1, rule, mend });
  };
  const names = new Map<number, string>();
  for (const { number, name } of refusals) {
    const other = names.get(number);
    if (other !== undefined) {
      tell(
        REFUSALS_PATH,
        `${other} and ${name} are both ${number}`,
        'give the new one a new number',
      );
    }
    if ([...names.values()].includes(name)) {
      tell(REFUSALS_PATH, `${name} is there twice`, 'one name, one number');
    }
    names.set(number, name);
  }
  const known = new Map(committed.map(({ number, name }) => [number, name]));
  for (const { number, name } of committed) {
    if (names.get(number) === name) continue;
    const rule = `${number} was ${name} and is ${names.get(number) ?? 'gone'}`;
    tell(REFUSALS_PATH, rule, 'put it back: numbers are stored; append a new one instead');
  }
  for (const [number, name] of names) {
    if (known.has(number)) continue;
    tell(NUMBERS_PATH, `${number} ${name} is not listed`, `append the line "${number} ${name}"`);
  }
  return findings;
}

/** The first `count` lines are frozen: their digest stands in the test. */
export function frozenDigest(committed: readonly RefusalLine[], count: number): string {
  const lines = committed.slice(0, count).map(({ number, name }) => `${number} ${name}\n`);
  return createHash('sha256').update(lines.join('')).digest('hex');
}

/** Every word of `terms` has one entry, `**word**:` at the beginning of a line; none has two. */
export function glossary(text: string, terms: readonly string[]): Finding[] {
  const path = 'docs/GLOSSARY.md';
  const findings: Finding[] = [];
  const seen = new Map<string, number>();
  for (const [index, line] of text.split('\n').entries()) {
    const term = /^- \*\*([^*]+)\*\*/.exec(line)?.[1];
    if (term === undefined) continue;
    for (const word of term.split(', ')) {
      if (seen.has(word)) {
        const rule = `"${word}" is explained twice`;
        findings.push({ path, line: index + 1, rule, mend: 'one word, one meaning' });
      }
      seen.set(word, index + 1);
    }
  }
  for (const term of terms) {
    if (seen.has(term)) continue;
    const mend = `add a line "- **${term}**: ..."`;
    findings.push({ path, line: 1, rule: `"${term}" is not explained`, mend });
  }
  return findings;
}

export type Manifest = {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly allowScripts?: Readonly<Record<string, boolean>>;
};

/** package.json against docs/dependencies.md, both ways, and every version exact. */
export function dependencies(manifest: Manifest, places: PackagePlaces): Finding[] {
  const findings: Finding[] = [];
  const packages = {
    ...manifest.dependencies,
    ...manifest.devDependencies,
    ...manifest.optionalDependencies,
  };
  for (const [name, version] of Object.entries(packages)) {
    if (!places.has(name)) {
      const mend = 'give it a line: where it may be imported, what for, what else was looked at';
      findings.push({ path: 'docs/dependencies.md', line: 1, rule: `${name} is missing`, mend });
    }
    if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version)) {
      const rule = `${name} is ${version}, which is not one version`;
      findings.push({ path: 'package.json', line: 1, rule, mend: 'pin it exactly' });
    }
  }
  for (const name of places.keys()) {
    if (name in packages) continue;
    const rule = `${name} is not a dependency (any more)`;
    findings.push({ path: 'docs/dependencies.md', line: 1, rule, mend: 'take its line away' });
  }
  return findings;
}

type LockedPackage = {
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};

/**
 * The lock file names no host, no package may run code at installation unasked, and the packages
 * for other platforms are in it: where one is missing `npm ci` refuses the whole file. (npm leaves
 * out what the registry at hand does not carry, and when it writes the file over a filled
 * node_modules.)
 */
export function lockFile(text: string, manifest: Manifest): Finding[] {
  const path = 'package-lock.json';
  const lock = JSON.parse(text) as { readonly packages?: Record<string, LockedPackage> };
  const findings: Finding[] = [];
  const packages = lock.packages ?? {};
  for (const [place, locked] of Object.entries(packages)) {
    const name = place.replace(/^.*node_modules\//, '');
    if (locked.resolved !== undefined && locked.link !== true) {
      const mend =
        'npm install with the .npmrc of this repository (omit-lockfile-registry-resolved)';
      findings.push({ path, line: 1, rule: `${name} is resolved to a host`, mend });
    }
    for (const optional of Object.keys(locked.optionalDependencies ?? {})) {
      const places = [`node_modules/${optional}`, `${place}/node_modules/${optional}`];
      if (places.some((known) => known in packages)) continue;
      const mend = 'add it: version, "optional": true, and the "os" and "cpu" that it is for';
      findings.push({ path, line: 1, rule: `${optional} (of ${name}) is not locked`, mend });
    }
    if (locked.hasInstallScript === true && manifest.allowScripts?.[name] === undefined) {
      const mend = 'choose a package without one, or allow or forbid it by name in package.json';
      findings.push({ path, line: 1, rule: `${name} has an install script`, mend });
    }
  }
  return findings;
}

/** Links of documents, and documents named in comments, lead to files that are there. */
export function documentLinks(
  files: readonly SourceFile[],
  exists: (path: string) => boolean,
): Finding[] {
  return files
    .filter(({ path }) => !isTidy(path) && (isCode(path) || path.endsWith('.md')))
    .flatMap((file) => {
      const isDocument = file.path.endsWith('.md');
      const pattern = isDocument ? /\]\((?!\w+:|#)([^)#\s]+)/g : /\b(docs\/[\w./-]*\w)/g;
      return findingsOf(file, file.text, pattern, (match) => {
        const written = match[1] ?? '';
        const place = isDocument
          ? posix.normalize(posix.join(posix.dirname(file.path), written))
          : written;
        if (exists(place)) return undefined;
        return { rule: `${written} is not there`, mend: 'write it, or correct the name' };
      });
    });
}

/** Every document under docs/ can be reached by a link from another one. */
export function unlinkedDocuments(files: readonly SourceFile[]): Finding[] {
  const documents = files.filter(({ path }) => path.endsWith('.md'));
  const linked = new Set<string>();
  for (const { path, text } of documents) {
    for (const match of text.matchAll(/\]\(([^)#\s]+)/g)) {
      linked.add(posix.normalize(posix.join(posix.dirname(path), match[1] ?? '')));
    }
  }
  return documents
    .filter(({ path }) => path.startsWith('docs/') && path !== 'docs/README.md')
    .filter(({ path }) => !linked.has(path))
    .map(({ path }) => ({
      path,
      line: 1,
      rule: 'no document links here',
      mend: 'add it to docs/README.md, or a decision to docs/adr/README.md',
    }));
}
