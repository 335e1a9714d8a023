// A new cluster starts with the common currencies; that is a command like any other.

import { OperationalError } from '../base/errors.ts';
import { defaultLedgers } from '../config/default-ledgers.ts';
import { ledgersCommand } from '../domain/commands.ts';
import { listLedgers } from '../domain/queries.ts';
import { isSuccess } from '../domain/refusals.ts';
import type { Engine } from '../engine/contract.ts';

const DEFINE_MS_MAX = 10_000;

/** Of a leader with an empty journal; elsewhere it does nothing. */
export async function defineFirstLedgers(node: Engine): Promise<void> {
  if (listLedgers(node.state).length > 0) return;
  const command = ledgersCommand(defaultLedgers());
  const { outcome } = await node.submit(command, AbortSignal.timeout(DEFINE_MS_MAX));
  if (outcome.codes.every(isSuccess)) return;
  throw new OperationalError('CONFIGURATION_INVALID', {
    detail: `The first ledgers were refused with code ${outcome.codes.join(', ')}.`,
  });
}
