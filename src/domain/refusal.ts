// What a refusal is; the closed list of them is refusals.ts.

export type RefusalSubject = 'transfer' | 'account' | 'ledger' | 'configuration' | 'command';

export type Refusal = {
  readonly number: number;
  readonly name: string;
  readonly subject: RefusalSubject;
  readonly transient: boolean;
  /** One sentence for documentation and problem details. */
  readonly text: string;
};

export function define<const Name extends string>(
  number: number,
  subject: RefusalSubject,
  name: Name,
  text: string,
  options: { readonly transient?: boolean } = {},
): Refusal & { readonly name: Name } {
  return { number, subject, name, transient: options.transient ?? false, text };
}

export const TRANSIENT = { transient: true } as const;
