// Which engine `holdfast engine` talks to, and as whom.

import { readFile } from 'node:fs/promises';
import { type EnginePlace, journalPlaceOf } from '../config/journal-place.ts';
import { type Hands, SUPERVISED_ENGINES, handOf } from '../promotion/hands.ts';
import { withPatroniAsked } from '../promotion/patroni.ts';
import type { EngineOptions } from './engine-options.ts';
import { refusedLocally, usageFailure } from './failure.ts';
import { readNumber } from './inputs.ts';
import type { GlobalOptions, Io } from './io.ts';

const PORT_RANGE = { min: 1, max: 65_535 };

export async function openHand(
  io: Io,
  options: EngineOptions & GlobalOptions & { readonly binFolder?: string },
): Promise<Hands> {
  const place = placeOf(options.journal ?? io.environment['HOLDFAST_JOURNAL'] ?? '');
  const supervised = { ...place, user: options.user ?? place.user };
  const password = await secretOf('--password-file', options.passwordFile);
  const replicationPassword = await secretOf(
    '--replication-password-file',
    options.replicationPasswordFile,
  );
  const { binFolder = '', patroniPort } = options;
  const hands = await handOf(supervised, { password, replicationPassword, binFolder });
  if (hands === undefined) {
    throw refusedLocally(
      'engine_leads_itself',
      `${place.driver} chooses its leaders by itself; there is nobody to promote by hand.`,
      `Look at it by its own tools. Promotion by hand is for ${SUPERVISED_ENGINES.join(', ')}.`,
    );
  }
  if (patroniPort === undefined) return hands;
  const port = readNumber('--patroni-port', patroniPort, PORT_RANGE);
  return { ...hands, hand: withPatroniAsked(hands.hand, place.hosts, port) };
}

function placeOf(text: string): EnginePlace {
  if (text === '') {
    throw usageFailure('Which journal?', 'Name its place with --journal, or HOLDFAST_JOURNAL.');
  }
  try {
    const place = journalPlaceOf(text);
    if ('hosts' in place) return place;
  } catch (error) {
    if (error instanceof RangeError) throw usageFailure(`--journal ${error.message}.`);
    throw error;
  }
  throw refusedLocally(
    'engine_has_no_members',
    'The journal is in files: it has no members, and nobody is promoted.',
    'See `holdfast cluster status`.',
  );
}

/** Without the line's end that editors leave. */
async function secretOf(option: string, path: string | undefined): Promise<string> {
  if (path === undefined) return '';
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw usageFailure(`${option} cannot be read: ${reason}.`);
  }
}
