// What an answer needs is not there: the caller hears HISTORY_INCOMPLETE with these words.

export class Incomplete extends Error {
  override readonly name = 'Incomplete';
}

export function incomplete(why: string): Incomplete {
  return new Incomplete(why);
}
