// The size rules: functions up to 70 lines, files up to 600, 100 columns. The limits are a ratchet:
// what is larger stands in a list by name with its present size, and may only shrink.

import { type Finding, type SourceFile, isCode, isTest, lineAt } from './source.ts';

export const FUNCTION_LINES_MAX = 70;
export const FILE_LINES_MAX = 600;
export const COLUMNS_MAX = 100;

/** A function (`path#name`) or a file (`path`) that is larger than its limit, and how large. */
export type Oversize = { readonly [place: string]: number };

export type FunctionSize = {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
  readonly start: number;
  readonly end: number;
};

const NO_FUNCTION = new Set(['if', 'for', 'while', 'switch', 'catch', 'with']);
/** Words after which only an arrow function is one: `return () => {`, but `for await (...) {`. */
const ARROW_ONLY = new Set(['await', 'return', 'of', 'in', 'case', 'async', 'yield', 'default']);

/** All functions of a file that have a body in braces, outer ones before inner ones. */
export function functionsOf(file: SourceFile): FunctionSize[] {
  const pairs = matchBrackets(file.code);
  const functions: FunctionSize[] = [];
  for (const [open, close] of pairs) {
    if (file.code[open] !== '(') continue;
    const name = nameBefore(file.code, open);
    if (NO_FUNCTION.has(name)) continue;
    if (ARROW_ONLY.has(name) && !/^\s*=>/.test(file.code.slice(close + 1, close + 20))) continue;
    const body = bodyAfter(file.code, close + 1, pairs);
    if (body === undefined) continue;
    const end = pairs.get(body) ?? body;
    const line = lineAt(file.code, open);
    const lines = lineAt(file.code, end) - line + 1;
    const called = name === '' || ARROW_ONLY.has(name) ? 'arrow' : name;
    functions.push({ name: called, line, lines, start: open, end });
  }
  return functions.sort((a, b) => a.start - b.start);
}

/** Opening bracket to closing bracket, for ( [ {. Unbalanced ones are left out. */
function matchBrackets(code: string): Map<number, number> {
  const pairs = new Map<number, number>();
  const open: number[] = [];
  for (let offset = 0; offset < code.length; offset++) {
    const character = code[offset] ?? '';
    if ('([{'.includes(character)) open.push(offset);
    if (')]}'.includes(character)) {
      const start = open.pop();
      if (start !== undefined) pairs.set(start, offset);
    }
  }
  return pairs;
}

function nameBefore(code: string, open: number): string {
  const before = code.slice(Math.max(0, open - 200), open);
  const assigned = /\b(?:const|let)\s+([\w$]+)[^=;{}]*=\s*(?:async\s*)?$/.exec(before);
  if (assigned !== null) return assigned[1] ?? '';
  return /([\w$#]+)\s*(?:<[^()]*>)?\s*$/.exec(before)?.[1] ?? '';
}

const TYPE_WORDS = /^(?:is|asserts|keyof|readonly|typeof|unique|infer|extends)$/;

/** Where the body begins when what ends at `from` was a parameter list; else undefined. */
function bodyAfter(
  code: string,
  from: number,
  pairs: ReadonlyMap<number, number>,
): number | undefined {
  const token = /\s*(=>|[\w$]+|.)/sy;
  let typeExpected = false;
  let inType = false;
  for (let offset = from, count = 0; count < 60; count++) {
    token.lastIndex = offset;
    const match = token.exec(code);
    const text = match?.[1] ?? '';
    const start = token.lastIndex - text.length;
    offset = token.lastIndex;
    if (text === '=>') {
      if (/^\s*\{/.test(code.slice(offset, offset + 40))) return code.indexOf('{', offset);
      if (!inType) return undefined;
      typeExpected = true;
    } else if (text === '{' && !typeExpected) {
      return start;
    } else if ('{[('.includes(text) && text !== '') {
      offset = (pairs.get(start) ?? code.length) + 1;
      typeExpected = false;
    } else if (text === ':' && !inType) {
      inType = true;
      typeExpected = true;
    } else if (!inType) {
      return undefined;
    } else if ('|&<,.'.includes(text)) {
      typeExpected = true;
    } else if (/^[\w$]+$/.test(text)) {
      if (!typeExpected && !TYPE_WORDS.test(text)) return undefined;
      typeExpected = TYPE_WORDS.test(text);
    } else if (text !== '>') {
      return undefined;
    }
  }
  return undefined;
}

/**
 * In `src` the lines of a function are all of them. In tests those of the functions inside it are
 * not counted again: a suite of forty tests is not one function of a thousand lines.
 */
function ownLines(fn: FunctionSize, all: readonly FunctionSize[], isTestFile: boolean): number {
  if (!isTestFile) return fn.lines;
  let lines = fn.lines;
  let reached = fn.start;
  for (const inner of all) {
    if (inner.start <= reached || inner.end >= fn.end) continue;
    lines -= inner.lines - 1;
    reached = inner.end;
  }
  return lines;
}

export function functionSizes(files: readonly SourceFile[], oversize: Oversize): Finding[] {
  const findings: Finding[] = [];
  for (const file of files) {
    if (!isCode(file.path)) continue;
    const all = functionsOf(file);
    for (const fn of all) {
      const lines = ownLines(fn, all, isTest(file.path));
      const place = `${file.path}#${fn.name}`;
      findings.push(...sizeFindings(place, fn.line, lines, FUNCTION_LINES_MAX, oversize));
    }
  }
  return findings;
}

export function fileSizes(files: readonly SourceFile[], oversize: Oversize): Finding[] {
  return files
    .filter((file) => isCode(file.path))
    .flatMap((file) => {
      const lines = file.text.trimEnd().split('\n').length;
      return sizeFindings(file.path, lines, lines, FILE_LINES_MAX, oversize);
    });
}

function sizeFindings(
  place: string,
  line: number,
  lines: number,
  linesMax: number,
  oversize: Oversize,
): Finding[] {
  const known = oversize[place];
  const path = place.split('#')[0] ?? place;
  const limit = Math.max(linesMax, known ?? 0);
  if (lines > limit) {
    const mend =
      known === undefined
        ? 'split it: the ifs up into the caller, the leaves out into pure functions'
        : `it was ${known}: what is too large already may only shrink`;
    return [{ path, line, rule: `${place} has ${lines} lines, ${limit} are allowed`, mend }];
  }
  if (known !== undefined && lines < known) {
    const mend = lines > linesMax ? `lower its number to ${lines}` : 'take it off the list';
    return [{ path, line, rule: `${place} has shrunk to ${lines} lines`, mend }];
  }
  return [];
}

/** Exceptions for what is not there any more. */
export function staleOversize(files: readonly SourceFile[], oversize: Oversize): Finding[] {
  const places = new Set<string>();
  for (const file of files) {
    places.add(file.path);
    if (Object.keys(oversize).some((place) => place.startsWith(`${file.path}#`))) {
      for (const fn of functionsOf(file)) places.add(`${file.path}#${fn.name}`);
    }
  }
  return Object.keys(oversize)
    .filter((place) => !places.has(place))
    .map((place) => ({
      path: 'test/tidy/exceptions.ts',
      line: 1,
      rule: `${place} is not there any more`,
      mend: 'take it off the list',
    }));
}

/** Biome does not break strings or comments, so this looks at comments and leaves strings out. */
export function columns(files: readonly SourceFile[]): Finding[] {
  const findings: Finding[] = [];
  for (const file of files.filter(({ path }) => isCode(path))) {
    const lines = file.text.split('\n');
    const code = file.code.split('\n');
    const statements = file.statements.split('\n');
    for (const [index, line] of lines.entries()) {
      if (line.length <= COLUMNS_MAX || line.includes('://')) continue;
      const literalLength = lengthOutside(statements[index] ?? '', code[index] ?? '');
      if (line.length - literalLength <= COLUMNS_MAX && literalLength > 0) continue;
      const rule = `${line.length} columns, ${COLUMNS_MAX} are allowed`;
      findings.push({ path: file.path, line: index + 1, rule, mend: 'break the line' });
    }
  }
  return findings;
}

/** How many characters of the line stand inside literals. */
function lengthOutside(statements: string, code: string): number {
  let count = 0;
  for (let index = 0; index < statements.length; index++) {
    if (statements[index] !== code[index]) count += 1;
  }
  return count === 0 ? 0 : count + (statements.match(/(?<=['"`].*) (?=.*['"`])/g)?.length ?? 0);
}
