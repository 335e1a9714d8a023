// What opening for writing does to the engine: it makes the database and the tables where they are
// not there, and then commits a barrier.

import pg from 'pg';
import { OperationalError } from '../../base/errors.ts';
import { findPrimary } from './members.ts';
import type { PostgresSettings } from './options.ts';
import { type Session, SessionLost } from './session.ts';
import { BARRIER, CREATE_TABLES, HAS_TABLES } from './statements.ts';

/** Every cluster has it, for such purposes. */
const MAINTENANCE_DATABASE = 'postgres';

const EXISTS = '42P04';
const NO_RIGHT = '42501';

export async function createDatabase(
  settings: PostgresSettings,
  withinMs: number,
  timelineSeen: number,
): Promise<void> {
  const { database, log, bounds } = settings;
  const search = { settings, withinMs, timelineSeen, database: MAINTENANCE_DATABASE };
  const found = await findPrimary(search);
  if (found.kind === 'no-database') throw new SessionLost('There is no database to begin with.');
  const { session } = found.primary;
  try {
    await session.ask({ text: `create database ${pg.escapeIdentifier(database)}` }, withinMs);
    log('info', `PostgreSQL: the database ${database} was created.`);
  } catch (error) {
    const code = error instanceof pg.DatabaseError ? error.code : undefined;
    if (code === NO_RIGHT) {
      throw new OperationalError('CONFIGURATION_INVALID', {
        detail: `There is no database ${database}, and ${settings.user} may not create one.`,
        wayOut: `Create it for the role: create database ${database} owner ${settings.user}`,
        cause: error,
      });
    }
    // Another node was quicker.
    if (code !== EXISTS) throw error;
  } finally {
    void session.end(bounds.closeMs);
  }
}

export async function createTables(session: Session, withinMs: number): Promise<void> {
  const [row] = await session.ask(HAS_TABLES, withinMs);
  if (row?.['hasTables'] === true) return;
  for (const text of CREATE_TABLES) await session.ask({ text }, withinMs);
}

/** JOURNAL_UNAVAILABLE where the standbys do not confirm it, or another commit waits for them. */
export async function passBarrier(session: Session, withinMs: number): Promise<void> {
  const before = session.warnings.length;
  // Another writer's commit that waits for the standbys holds the row. Giving up on the lock is no
  // cancel: it ends with the wait for the row, before there is anything to commit.
  const lockMs = Math.ceil(withinMs * 0.8);
  const answers = await Promise.all([
    session.ask({ text: `set lock_timeout = ${lockMs}` }, withinMs),
    session.ask(BARRIER, withinMs),
    session.ask({ text: 'set lock_timeout = 0' }, withinMs),
  ]);
  const warning = session.warnings.slice(before).at(-1);
  if (warning !== undefined) throw new SessionLost(`No standby confirms: ${warning}.`);
  if (answers[1].length === 1) return;
  throw new OperationalError('JOURNAL_CORRUPT', {
    detail: "The journal's head row is missing in holdfast_journal_head.",
    wayOut: 'Nobody but Holdfast may write to that table. Restore it from a standby.',
  });
}
