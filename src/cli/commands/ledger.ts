// `holdfast ledger define|list`. A ledger is a number with a currency and its decimals.

import type { Command } from 'commander';
import { CURRENCY_EXPONENT_MAX } from '../../base/limits.ts';
import type { Ledger } from '../../client/wire.ts';
import { connect } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { usageFailure } from '../failure.ts';
import { LEDGER_RANGE, readNumber } from '../inputs.ts';
import { Output } from '../output.ts';
import type { Run } from '../run.ts';

type DefineOptions = {
  readonly ledger: string;
  readonly currency: string;
  readonly exponent?: string;
};

const COLUMNS = [
  { title: 'ledger', isNumber: true },
  { title: 'currency' },
  { title: 'decimals', isNumber: true },
] as const;

export function addLedgerCommands(program: Command, run: Run): void {
  const group = program.command('ledger').description('currencies and assets');
  group
    .command('define')
    .description('define a ledger; the same again changes nothing')
    .requiredOption('--ledger <number>', 'its number; ISO 4217 has numbers for currencies')
    .requiredOption('--currency <code>', '1 to 16 of A-Z, 0-9 and _')
    .option('--exponent <decimals>', 'decimals, 0 to 18 (those of ISO 4217 where it knows it)')
    .action(
      run<DefineOptions>(async ({ io, options }) => {
        const output = new Output(io, options);
        const ledger: Ledger = {
          ledger: readNumber('--ledger', options.ledger, LEDGER_RANGE),
          currency: options.currency,
          exponent: await readExponent(options),
        };
        await using client = await connect(io, options);
        const { status, value } = await client.ledgers.define(ledger);
        if (output.isJson) output.json({ status, ...value });
        else
          output.line(
            `${status}: ledger ${value.ledger}, ${value.currency}, ${value.exponent} decimals`,
          );
        return ExitCode.ok;
      }),
    );
  group
    .command('list')
    .description('all ledgers')
    .action(
      run<object>(async ({ io, options }) => {
        const output = new Output(io, options);
        await using client = await connect(io, options);
        const ledgers = await client.ledgers.list();
        if (output.isJson) output.json({ ledgers });
        else {
          output.table(
            COLUMNS,
            ledgers.map((item) => [String(item.ledger), item.currency, String(item.exponent)]),
          );
        }
        return ExitCode.ok;
      }),
    );
}

async function readExponent({ currency, exponent }: DefineOptions): Promise<number> {
  if (exponent !== undefined) {
    return readNumber('--exponent', exponent, { min: 0, max: CURRENCY_EXPONENT_MAX });
  }
  const currencies = await import('dinero.js/bigint/currencies');
  const known = new Map(Object.values(currencies).map((item) => [item.code, item.exponent]));
  const found = known.get(currency);
  if (found !== undefined) return Number(found);
  throw usageFailure(
    `${currency} is no currency of ISO 4217 that is known here: say its decimals.`,
    'For example --exponent 2.',
  );
}
