// The terms of leadership that this node has seen: one line for each opening entry that it applied,
// kept in a small file beside its checkpoints. Derived from the journal and for people only: what
// cannot be read or written is left out, and nothing else depends on it.

import { type Entry, EntryKind, entryBody } from '../base/entry.ts';
import type { Term } from '../cluster/contract.ts';

/** Lines of text, oldest first; a store that cannot be read has none. Neither may throw. */
export interface TermLines {
  read(): Promise<readonly string[]>;
  append(line: string): void;
}

/** More than people look at; older ones stay in the file. */
const TERMS_KEPT = 1000;

export class Terms {
  readonly #lines: TermLines | undefined;
  /** By rising epoch. */
  #terms: Term[] = [];

  constructor(lines: TermLines | undefined) {
    this.#lines = lines;
  }

  async load(): Promise<void> {
    const known: Term[] = [];
    for (const line of (await this.#lines?.read()) ?? []) {
      const term = termOf(line);
      if (term !== undefined && term.epoch > (known.at(-1)?.epoch ?? 0)) known.push(term);
    }
    this.#terms = known.slice(-TERMS_KEPT);
  }

  /** An entry has been applied. One that is applied again after a restart is known already. */
  applied(entry: Entry): void {
    if (entry.kind !== EntryKind.opening) return;
    if (entry.epoch <= (this.#terms.at(-1)?.epoch ?? 0)) return;
    const { node = '', reason = '', release = '' } = bodyOf(entry);
    const { epoch, position } = entry;
    const term = { epoch, position, timeNs: String(entry.timeNs), node, reason, release };
    this.#terms.push(term);
    if (this.#terms.length > TERMS_KEPT) this.#terms.shift();
    this.#lines?.append(JSON.stringify(term));
  }

  newest(limit: number): readonly Term[] {
    return this.#terms.slice(-limit).reverse();
  }
}

type OpeningBody = { readonly [Name in 'node' | 'reason' | 'release']?: string };

/** Openings of before nodes had names have neither name nor reason. */
function bodyOf(entry: Entry): OpeningBody {
  const fields = parse(new TextDecoder().decode(entryBody(entry)));
  const text = (name: string): string => {
    const value = fields[name];
    return typeof value === 'string' ? value : '';
  };
  return { node: text('node'), reason: text('reason'), release: text('release') };
}

function termOf(line: string): Term | undefined {
  const { epoch, position, timeNs, node, reason, release } = parse(line);
  const isTerm =
    Number.isSafeInteger(epoch) &&
    Number.isSafeInteger(position) &&
    [timeNs, node, reason, release].every((value) => typeof value === 'string');
  return isTerm ? ({ epoch, position, timeNs, node, reason, release } as Term) : undefined;
}

function parse(text: string): { readonly [name: string]: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
