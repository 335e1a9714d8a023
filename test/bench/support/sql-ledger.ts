// What a user would write instead: the SQL ledger beside the checkout (one function: two updates
// and an insert in one SQL transaction; without foreign keys, which is faster), behind fastify, on
// a real PostgreSQL. Its server is run as it is, but for the two ports. `pg` is no dependency of
// this package, so it is installed into .engines/, which git ignores, when it is first needed.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../../support/until.ts';
import { ChildProgram } from './child-program.ts';
import { BenchRefused, BooksWrong } from './failures.ts';
import { Postgres, freePort } from './postgres.ts';

const CHECKOUT = resolve(import.meta.dirname, '../../..');
export const SQL_LEDGER_FOLDER = resolve(CHECKOUT, '../shared/peers/sql-ledger');
const CACHE = join(CHECKOUT, '.engines', 'sql-ledger');
const PG_VERSION = '8.23.1';
const DATABASE_PORT = 'port: 55432';
const SERVER_PORT = 'port: 4000';
/** Accounts 0 to 10,000, each with this balance at the start. */
export const SQL_ACCOUNTS = 10_001;
const BALANCE_AT_START = 1_000_000_000_000n;

export class SqlLedger implements AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly version: string;
  readonly #postgres: Postgres;
  readonly #server: ChildProgram;

  private constructor(postgres: Postgres, server: ChildProgram, url: string) {
    this.#postgres = postgres;
    this.#server = server;
    this.url = url;
    this.pid = server.pid;
    this.version = postgres.version;
  }

  static async start(folder: string, parentFolder: string): Promise<SqlLedger> {
    const source = await readServer(folder);
    await installPg();
    const program = await writeServer(source);
    const postgres = await Postgres.start(parentFolder);
    await postgres.sqlFile(join(folder, 'baseline.sql'));
    await postgres.sqlFile(join(folder, 'baseline-nofk.sql'));
    await postgres.sql('vacuum analyze');
    const port = await freePort();
    const server = new ChildProgram(process.execPath, [program], {
      env: { ...process.env, BENCH_DATABASE_PORT: String(postgres.port), BENCH_PORT: String(port) },
    });
    const url = `http://127.0.0.1:${port}`;
    const ledger = new SqlLedger(postgres, server, url);
    await until(() => ledger.#answers(), 'the SQL ledger answers');
    return ledger;
  }

  /** Transfers, amounts and balances against what was acknowledged; throws BooksWrong. */
  async check(transfers: number, amount: number): Promise<void> {
    const sums = await this.#postgres.sql(
      'select count(*), coalesce(sum(amount), 0) from transfers',
    );
    const balance = await this.#postgres.sql('select sum(balance) from accounts');
    const balanceAtStart = String(BigInt(SQL_ACCOUNTS) * BALANCE_AT_START);
    if (sums === `${transfers}|${amount}` && balance === balanceAtStart) return;
    throw new BooksWrong(`the SQL ledger holds ${sums}, sent were ${transfers}|${amount}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    await this.#postgres[Symbol.asyncDispose]();
  }

  async #answers(): Promise<boolean> {
    if (this.#server.hasEnded) throw new Error(`The SQL ledger ended:\n${this.#server.words}`);
    try {
      return (await fetch(`${this.url}/health`)).ok;
    } catch {
      return false;
    }
  }
}

/** The server as it is, but for its two ports, which come from the environment. */
async function readServer(folder: string): Promise<string> {
  const path = join(folder, 'server.mjs');
  if (!existsSync(path)) {
    throw new BenchRefused(
      `There is no SQL ledger in ${folder}: --sql-ledger DIR says where it is.`,
    );
  }
  const source = await readFile(path, 'utf8');
  for (const place of [DATABASE_PORT, SERVER_PORT]) {
    if (source.split(place).length === 2) continue;
    throw new BenchRefused(`${path} does not say "${place}" once, so its ports cannot be given.`);
  }
  return source
    .replace(DATABASE_PORT, 'port: Number(process.env.BENCH_DATABASE_PORT)')
    .replace(SERVER_PORT, 'port: Number(process.env.BENCH_PORT)');
}

/** Beside `pg`; the same for every run, so runs at the same time do not disturb each other. */
async function writeServer(source: string): Promise<string> {
  const program = join(CACHE, 'server.mjs');
  await writeFile(`${program}.${process.pid}`, source);
  await rename(`${program}.${process.pid}`, program);
  return program;
}

async function installPg(): Promise<void> {
  const manifest = join(CACHE, 'node_modules', 'pg', 'package.json');
  if (existsSync(manifest)) {
    const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { version: string };
    if (version === PG_VERSION) return;
  }
  await mkdir(CACHE, { recursive: true });
  await writeFile(join(CACHE, 'package.json'), '{"private":true}\n');
  await promisify(execFile)('npm', ['install', '--prefix', CACHE, `pg@${PG_VERSION}`]);
}
