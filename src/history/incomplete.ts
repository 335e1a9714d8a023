// What an answer needs is not there: the caller hears HISTORY_INCOMPLETE with these words.

import { OperationalError } from '../base/errors.ts';

export class Incomplete extends Error {
  override readonly name = 'Incomplete';
}

export function incomplete(why: string): Incomplete {
  return new Incomplete(why);
}

export function incompleteError(why: string): OperationalError {
  return new OperationalError('HISTORY_INCOMPLETE', {
    detail: `The history of this node cannot answer: ${why.replace(/\.$/, '')}.`,
    wayOut: 'Ask again later, or another node.',
  });
}
