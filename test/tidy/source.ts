// Reads the tree for the tidy rules: every file with its text, and for code also the same text with
// comments or literals blanked out, so that a rule about names never trips over prose. Offsets and
// line numbers are the same in all of them. A tolerant scanner, not a parser: it must never be
// wrong about where a comment or a string ends, and may be vague about everything else.

import { type Dirent, readFileSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

export type Finding = {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  /** What to do about it. */
  readonly mend: string;
};

export type Span = { readonly start: number; readonly end: number };

export type SourceFile = {
  /** Relative to the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  /** Comments blanked; literals kept. */
  readonly statements: string;
  /** Comments blanked, the insides of strings, templates and regular expressions too. */
  readonly code: string;
  readonly comments: readonly Span[];
  readonly literals: readonly Span[];
};

const FOLDERS = ['bin', 'src', 'test', 'examples', 'deploy', 'docs', '.ci'];
const SKIPPED = new Set(['node_modules', 'dist', '.git']);
const READABLE = /\.(ts|js|mjs|md|json|txt|svg|scenario)$|(^|\/)run$|(^|\/)\.npmrc$/;

/** All files that rules look at: the folders of the house, and the files at its top. */
export function readTree(root: string): SourceFile[] {
  const paths: string[] = [];
  for (const item of readdirSync(root, { withFileTypes: true })) {
    if (item.isFile()) paths.push(join(root, item.name));
    else if (FOLDERS.includes(item.name)) collect(join(root, item.name), paths);
  }
  return paths
    .map((path) => ({ path, name: relative(root, path).split(sep).join('/') }))
    .filter(({ name }) => READABLE.test(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ path, name }) => sourceFrom(name, readFileSync(path, 'utf8')));
}

function collect(folder: string, paths: string[]): void {
  for (const item of sortedItems(folder)) {
    if (SKIPPED.has(item.name) || item.name.startsWith('holdfast-data')) continue;
    const path = join(folder, item.name);
    if (item.isDirectory()) collect(path, paths);
    else if (item.isFile()) paths.push(path);
  }
}

function sortedItems(folder: string): Dirent[] {
  return readdirSync(folder, { withFileTypes: true });
}

export function isCode(path: string): boolean {
  return /\.(ts|js|mjs)$/.test(path);
}

export function isTest(path: string): boolean {
  return path.startsWith('test/') || path.endsWith('.test.ts');
}

/** The tidy rules name what they forbid, so the rules about words do not look at them. */
export function isTidy(path: string): boolean {
  return path.startsWith('test/tidy');
}

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let index = text.indexOf('\n'); index !== -1 && index < offset; ) {
    line += 1;
    index = text.indexOf('\n', index + 1);
  }
  return line;
}

export function sourceFrom(path: string, text: string): SourceFile {
  if (!isCode(path)) {
    return { path, text, statements: text, code: text, comments: [], literals: [] };
  }
  const { comments, literals } = scan(text);
  const statements = blank(text, comments);
  return { path, text, statements, code: blank(statements, literals), comments, literals };
}

/** Replaces everything in the spans by spaces, but for line ends. */
function blank(text: string, spans: readonly Span[]): string {
  const parts: string[] = [];
  let from = 0;
  for (const { start, end } of spans) {
    parts.push(text.slice(from, start), text.slice(start, end).replace(/[^\n]/g, ' '));
    from = end;
  }
  parts.push(text.slice(from));
  return parts.join('');
}

const REGEX_AFTER_WORD = /\b(return|typeof|case|in|of|do|else|throw|yield|await|void|delete)$/;

type Scan = {
  readonly comments: Span[];
  readonly literals: Span[];
  /** For each open `${`, the depth of braces at which it closes. */
  readonly templates: number[];
  depth: number;
};

function scan(text: string): Scan {
  const state: Scan = { comments: [], literals: [], templates: [], depth: 0 };
  let offset = text.startsWith('#!') ? endOfLine(text, 0) : 0;
  while (offset < text.length) offset = step(text, offset, state);
  return state;
}

/** Handles what begins at `offset` and returns where to go on. */
function step(text: string, offset: number, state: Scan): number {
  const character = text[offset];
  const next = text[offset + 1];
  if (character === '/' && next === '/')
    return take(state.comments, offset, endOfLine(text, offset));
  if (character === '/' && next === '*') {
    const close = text.indexOf('*/', offset + 2);
    return take(state.comments, offset, close === -1 ? text.length : close + 2);
  }
  if (character === "'" || character === '"') {
    const end = endOfString(text, offset + 1, character);
    take(state.literals, offset + 1, end);
    return end + 1;
  }
  if (character === '`') return template(text, offset + 1, state);
  if (character === '/' && regexMayStart(text, offset)) {
    const end = endOfRegex(text, offset + 1);
    if (end !== -1) {
      take(state.literals, offset + 1, end);
      return end + 1;
    }
  }
  if (character === '{') state.depth += 1;
  if (character === '}') {
    if (state.templates.at(-1) === state.depth) {
      state.templates.pop();
      return template(text, offset + 1, state);
    }
    state.depth -= 1;
  }
  return offset + 1;
}

function take(spans: Span[], start: number, end: number): number {
  spans.push({ start, end });
  return end;
}

function endOfLine(text: string, offset: number): number {
  const end = text.indexOf('\n', offset);
  return end === -1 ? text.length : end;
}

function endOfString(text: string, from: number, quote: string): number {
  let offset = from;
  while (offset < text.length && text[offset] !== quote && text[offset] !== '\n') {
    offset += text[offset] === '\\' ? 2 : 1;
  }
  return Math.min(offset, text.length);
}

/** From inside a template to its end, or to the `${` after which code begins. */
function template(text: string, from: number, state: Scan): number {
  let offset = from;
  while (offset < text.length && text[offset] !== '`') {
    if (text[offset] === '$' && text[offset + 1] === '{') {
      take(state.literals, from, offset);
      state.templates.push(state.depth);
      return offset + 2;
    }
    offset += text[offset] === '\\' ? 2 : 1;
  }
  const end = Math.min(offset, text.length);
  take(state.literals, from, end);
  return end + 1;
}

function regexMayStart(text: string, offset: number): boolean {
  const before = text.slice(Math.max(0, offset - 20), offset).trimEnd();
  return before === '' || /[(,=:[!&|?{;+*%~^<>-]$/.test(before) || REGEX_AFTER_WORD.test(before);
}

function endOfRegex(text: string, from: number): number {
  let inClass = false;
  for (let offset = from; offset < text.length && text[offset] !== '\n'; offset++) {
    if (text[offset] === '\\') offset += 1;
    else if (text[offset] === '[') inClass = true;
    else if (text[offset] === ']') inClass = false;
    else if (text[offset] === '/' && !inClass) return offset;
  }
  return -1;
}

/** A finding for each match of `pattern` (which has the flag g) in one of a file's texts. */
export function findingsOf(
  file: SourceFile,
  text: string,
  pattern: RegExp,
  finding: (match: RegExpMatchArray) => { rule: string; mend: string } | undefined,
): Finding[] {
  const findings: Finding[] = [];
  for (const match of text.matchAll(pattern)) {
    const told = finding(match);
    if (told !== undefined) {
      findings.push({ path: file.path, line: lineAt(text, match.index), ...told });
    }
  }
  return findings;
}

export function formatFindings(findings: readonly Finding[]): string {
  const lines = findings.map(
    ({ path, line, rule, mend }) => `  ${path}:${line} ${rule}\n      mend: ${mend}`,
  );
  return `${findings.length} finding(s)\n${lines.join('\n')}`;
}
