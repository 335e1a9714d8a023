// The options of a workload: declared in one table, from which the help is written and the command
// line is read strictly.

import { parseArgs } from 'node:util';
import { assertNever } from '../../../src/base/assert.ts';
import { BenchRefused } from './failures.ts';

export type OptionKind =
  | { readonly kind: 'flag' }
  | { readonly kind: 'count'; readonly fallback: number; readonly min: number }
  | { readonly kind: 'counts'; readonly fallback: readonly number[]; readonly min: number }
  | { readonly kind: 'choice'; readonly fallback: string; readonly of: readonly string[] }
  | {
      readonly kind: 'choices';
      readonly fallback: readonly string[];
      readonly of: readonly string[];
    }
  | { readonly kind: 'text'; readonly fallback: string };

export type OptionTable = { readonly [name: string]: OptionKind & { readonly text: string } };

type Value = boolean | number | string | readonly number[] | readonly string[];

export class Settings {
  readonly #values = new Map<string, Value>();

  /** Throws BenchRefused at what is not in `table`, or is out of its range. */
  constructor(table: OptionTable, commandLine: readonly string[]) {
    const given = parsed(table, commandLine);
    for (const [name, option] of Object.entries(table)) {
      const value = given[name];
      if (option.kind === 'flag') this.#values.set(name, value === true);
      else if (typeof value !== 'string') this.#values.set(name, option.fallback);
      else this.#values.set(name, read(name, option, value));
    }
  }

  flag(name: string): boolean {
    return this.#get(name) === true;
  }

  count(name: string): number {
    return this.#get(name) as number;
  }

  counts(name: string): readonly number[] {
    return this.#get(name) as readonly number[];
  }

  text(name: string): string {
    return this.#get(name) as string;
  }

  /** The choices that were made, in the order of the table. */
  choices(name: string): readonly string[] {
    return this.#get(name) as readonly string[];
  }

  #get(name: string): Value {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`${name} is not an option of this workload`);
    return value;
  }
}

function parsed(table: OptionTable, commandLine: readonly string[]) {
  const options = Object.fromEntries(
    Object.entries(table).map(([name, option]) => [
      name,
      { type: option.kind === 'flag' ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  try {
    return parseArgs({ args: [...commandLine], options, strict: true }).values;
  } catch (error) {
    throw new BenchRefused(`${(error as Error).message} See --help.`, { cause: error });
  }
}

function read(name: string, option: OptionTable[string], value: string): Value {
  switch (option.kind) {
    case 'flag':
      return true;
    case 'text':
      return value;
    case 'count':
      return wholeNumber(name, option.min, value);
    case 'counts':
      return value.split(',').map((item) => wholeNumber(name, option.min, item));
    case 'choice':
      return oneOf(name, option.of, value);
    case 'choices': {
      const asked = new Set(value.split(',').map((item) => oneOf(name, option.of, item)));
      return option.of.filter((item) => asked.has(item));
    }
    default:
      return assertNever(option, 'an option that is not known');
  }
}

function wholeNumber(name: string, min: number, text: string): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw new BenchRefused(`--${name} wants a whole number from ${min} on, not "${text}".`);
}

function oneOf(name: string, of: readonly string[], text: string): string {
  if (of.includes(text)) return text;
  throw new BenchRefused(`--${name} knows ${of.join(', ')}, not "${text}".`);
}

/** Lines for --help. */
export function helpOf(table: OptionTable): string[] {
  return Object.entries(table).map(([name, option]) => {
    const shown = `--${name}${placeholder(option)}`;
    const isBare = option.kind === 'flag' || option.fallback === '';
    const fallback = isBare ? '' : ` (${String(option.fallback)})`;
    return `    ${shown.padEnd(26)} ${option.text}${fallback}`;
  });
}

function placeholder(option: OptionTable[string]): string {
  switch (option.kind) {
    case 'flag':
      return '';
    case 'count':
      return ' N';
    case 'counts':
      return ' N,N';
    case 'choice':
      return ` ${option.of.join('|')}`;
    case 'choices':
      return ' A,B';
    case 'text':
      return ' TEXT';
    default:
      return assertNever(option, 'an option that is not known');
  }
}
