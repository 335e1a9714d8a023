// A stopped PostgreSQL server becomes a standby again, on its own machine: pg_rewind takes back
// what it wrote after the branch and nobody acknowledged. Known traps, each dealt with here:
//
//   checkpoint     before a checkpoint on the new primary pg_rewind sees two servers on the same
//                  timeline and does nothing, and the old one cannot follow
//   configuration  pg_rewind copies the new primary's files over the member's own; they are kept
//                  beside the folder and put back, also by a second try after a break
//   slot, fence    what the member was told as a primary (fence, slot) is taken out
//   root           the programs run as the owner of the data, never as root

import { spawn } from 'node:child_process';
import { chown, copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperationalError } from '../base/errors.ts';
import { postgresDigestAt } from './journal-head.ts';
import { formatConninfo, parseConninfo, shownConninfo } from './postgres-conninfo.ts';
import { NOTE } from './postgres-look.ts';
import { type Credentials, PostgresSession, type Server } from './postgres-session.ts';
import type { FolderView, RejoinHand, RejoinStep, RejoinWork } from './rejoin.ts';

export type PostgresRejoinOptions = {
  readonly server: (name: string) => Server;
  readonly credentials: Credentials;
  /** As libpq wants them for TLS. */
  readonly parameters: Readonly<Record<string, string>>;
  /** '' = as PATH finds them. */
  readonly binFolder: string;
  /** What the member is to follow with, password and all. */
  readonly conninfo: (work: RejoinWork) => string;
};

const OWN_FILES = ['postgresql.conf', 'postgresql.auto.conf', 'pg_hba.conf', 'pg_ident.conf'];
const AUTO = 'postgresql.auto.conf';
const TOLD_CHARACTERS_MAX = 800;
const CHECKPOINT_MS_MAX = 120_000;

/** Settings that say what the member was; a standby gets its own. */
const FORMER = [
  'primary_conninfo',
  'primary_slot_name',
  'synchronous_standby_names',
  'default_transaction_read_only',
  ...Object.values(NOTE),
];

export class PostgresRejoin implements RejoinHand {
  readonly worksOn = 'folder';
  readonly #options: PostgresRejoinOptions;

  constructor(options: PostgresRejoinOptions) {
    this.#options = options;
  }

  async readFolder(folder: string): Promise<FolderView> {
    const control = await this.#run(folder, 'pg_controldata', ['-D', folder]);
    if (control.status !== 0) throw unusable(folder, control.told);
    const timelines = [...control.told.matchAll(/(?:TimeLineID|timeline):\s+([0-9]+)/g)];
    const auto = await readFile(join(folder, AUTO), 'utf8').catch(() => '');
    const settings = settingsIn(auto);
    const conninfo = settings.get('primary_conninfo') || settings.get(NOTE.sealedFrom) || '';
    const running = await this.#run(folder, 'pg_ctl', ['-D', folder, 'status']);
    return {
      term: Number(settings.get(NOTE.term) ?? 0),
      timeline: Math.max(...timelines.map(([, number]) => Number(number))),
      isRunning: running.status === 0,
      label: parseConninfo(conninfo).get('application_name') ?? '',
    };
  }

  steps(work: RejoinWork, folder = '<data folder>'): readonly RejoinStep[] {
    const conninfo = shownConninfo(this.#options.conninfo(work));
    return [
      {
        what: `stop ${work.member}`,
        why: 'pg_rewind works on a server that is stopped',
        commands: [`pg_ctl -D ${folder} -m fast stop`],
      },
      {
        what: `write a checkpoint on ${work.primary}`,
        why: 'before it pg_rewind does not see the branch, and does nothing',
        commands: ['checkpoint;'],
      },
      {
        what: `take back what ${work.member} wrote alone`,
        why: 'nobody acknowledged it: whoever wrote it was told "unknown" and asked again',
        commands: [
          `pg_rewind --target-pgdata=${folder} --source-server='${this.#source(work, true)}'`,
        ],
      },
      {
        what: 'put its own configuration back, as a standby',
        why: "pg_rewind has copied the primary's files over it",
        commands: [
          `touch ${join(folder, 'standby.signal')}`,
          `${join(folder, AUTO)}: primary_conninfo = '${conninfo}', ${NOTE.term} = '${work.term}'`,
        ],
      },
    ];
  }

  async prepare(work: RejoinWork, folder: string, tell: (text: string) => void): Promise<void> {
    const { isRunning } = await this.readFolder(folder);
    if (isRunning) {
      tell(`stop ${work.member}`);
      await this.#must(folder, 'pg_ctl', ['-D', folder, '-m', 'fast', '-w', 'stop']);
    }
    tell(`write a checkpoint on ${work.primary}`);
    await this.#checkpoint(work.primary);
    const kept = `${folder}.rejoin`;
    await keepOwnFiles(folder, kept);
    tell(`take back what ${work.member} wrote alone`);
    const source = this.#source(work, false);
    const rewind = [`--target-pgdata=${folder}`, `--source-server=${source}`];
    const told = await this.#must(folder, 'pg_rewind', rewind);
    tell(told.trim());
    await this.#becomeStandby(work, folder, kept);
    await rm(kept, { recursive: true });
  }

  async digestAt(primary: string, position: number): Promise<string | undefined> {
    await using session = await this.#connect(primary);
    const [row] = await session.rows(postgresDigestAt(position));
    return row === undefined ? undefined : String(row['digest']);
  }

  async #checkpoint(primary: string): Promise<void> {
    await using session = await this.#connect(primary);
    await session.rows('checkpoint', CHECKPOINT_MS_MAX);
  }

  async #becomeStandby(work: RejoinWork, folder: string, kept: string): Promise<void> {
    for (const name of OWN_FILES) {
      await copyFile(join(kept, name), join(folder, name)).catch(ignoreMissing);
    }
    const auto = await readFile(join(kept, AUTO), 'utf8').catch(() => '');
    const lines = auto.split('\n').filter((line) => !FORMER.includes(nameIn(line)));
    const conninfo = this.#options.conninfo(work);
    const own = { primary_conninfo: conninfo, [NOTE.term]: String(work.term) };
    for (const [name, value] of Object.entries(own)) {
      lines.push(`${name} = '${value.replaceAll("'", "''")}'`);
    }
    const { uid, gid } = await stat(folder);
    for (const [name, text] of [
      [AUTO, `${lines.filter((line) => line !== '').join('\n')}\n`],
      ['standby.signal', ''],
    ] as const) {
      await writeFile(join(folder, name), text, { mode: 0o600, flush: true });
      await chown(join(folder, name), uid, gid);
    }
  }

  #source({ primary }: RejoinWork, isShown: boolean): string {
    const { host, port } = this.#options.server(primary);
    const { user, password, database } = this.#options.credentials;
    const pairs = new Map([
      ['host', host],
      ['port', String(port)],
      ['user', user === '' ? 'postgres' : user],
      ['dbname', database],
      ...Object.entries(this.#options.parameters).filter(([name]) => name.startsWith('ssl')),
    ]);
    if (password !== '' && isShown) pairs.set('password', '***');
    return formatConninfo(pairs);
  }

  async #must(folder: string, program: string, parameters: readonly string[]): Promise<string> {
    const { status, told } = await this.#run(folder, program, parameters);
    if (status !== 0) throw unusable(folder, `${program} ended with ${status}: ${told}`);
    return told;
  }

  async #run(
    folder: string,
    program: string,
    parameters: readonly string[],
  ): Promise<{ readonly status: number | null; readonly told: string }> {
    const { binFolder, credentials } = this.#options;
    const { uid, gid } = await stat(folder).catch((error: unknown) => {
      throw unusable(folder, error instanceof Error ? error.message : String(error));
    });
    const child = spawn(binFolder === '' ? program : join(binFolder, program), parameters, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', PGPASSWORD: credentials.password },
      ...(process.getuid?.() === 0 && { uid, gid }),
    });
    let told = '';
    const keep = (chunk: Buffer): void => {
      told += chunk.toString('utf8');
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject).once('close', resolve);
    }).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      throw unusable(folder, `${program} cannot be run (--bin-folder): ${reason}`);
    });
    return { status, told: program === 'pg_controldata' ? told : told.slice(-TOLD_CHARACTERS_MAX) };
  }

  async #connect(member: string): Promise<PostgresSession> {
    const { server, credentials } = this.#options;
    return await PostgresSession.connect(server(member), credentials);
  }
}

/** Copies that are there already are from before a try that broke off: the right ones. */
async function keepOwnFiles(folder: string, kept: string): Promise<void> {
  const isKept = await stat(join(kept, 'complete')).then(
    () => true,
    () => false,
  );
  if (isKept) return;
  await rm(kept, { recursive: true, force: true });
  await mkdir(kept, { mode: 0o700 });
  for (const name of OWN_FILES) {
    await copyFile(join(folder, name), join(kept, name)).catch(ignoreMissing);
  }
  await writeFile(join(kept, 'complete'), '', { flush: true });
}

function ignoreMissing(error: unknown): void {
  if ((error as { readonly code?: unknown }).code !== 'ENOENT') throw error;
}

function nameIn(line: string): string {
  return /^\s*([\w.]+)/.exec(line)?.[1] ?? '';
}

/** Name and value of each line; the last one of a name counts. */
function settingsIn(text: string): Map<string, string> {
  const settings = new Map<string, string>();
  for (const line of text.split('\n')) {
    const value = /=\s*'((?:[^']|'')*)'/.exec(line)?.[1];
    if (value !== undefined && !line.startsWith('#')) {
      settings.set(nameIn(line), value.replaceAll("''", "'"));
    }
  }
  return settings;
}

function unusable(folder: string, reason: string): OperationalError {
  return new OperationalError('DATA_FOLDER_UNUSABLE', {
    detail: `The member's data folder ${folder}: ${reason}`.trim(),
    wayOut:
      'Nothing of the cluster was changed. Mend it, or copy the primary anew (pg_basebackup).',
  });
}
