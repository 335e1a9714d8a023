// npm run engines -- install|up|down|status [NAME...] [--dir DIR] [--port N] [--json]
// Runs the engines that Holdfast can stand on, on this machine's loopback address: to try it out,
// to test and to measure. Not how to run them in production.

import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type EngineStatus, engineDown, engineStatus, engineUp, installEngine } from './control.ts';
import type { Engine } from './engine.ts';
import { ENGINE_NAMES, engineNamed } from './index.ts';
import { EngineProblem } from './problem.ts';

const USAGE = `npm run engines -- install|up|down|status [NAME...] [--dir DIR] [--port N] [--json]

  install   installs what the engine needs (packages as root, jars by Maven)
  up        starts its servers, and returns when clients can use them
  down      stops them; their data stays
  status    says how they are; exit status 1 when one is not up

  NAME      ${ENGINE_NAMES.join(', ')}; all when none is named
  --dir     folder that holds a folder for each engine; .engines in the checkout by default
  --port    first port of a new engine; 0 = free ones. An engine keeps its ports
  --json    the status as one line of JSON
`;

const CHECKOUT = resolve(import.meta.dirname, '../..');

type Options = { readonly dir: string; readonly port: number | undefined };

async function main(parameters: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...parameters],
    allowPositionals: true,
    options: {
      dir: { type: 'string' },
      port: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [verb = '', ...names] = positionals;
  if (values.help === true || verb === '') {
    process.stdout.write(USAGE);
    return values.help === true ? 0 : 2;
  }
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port < 65_000)) {
    throw new EngineProblem(`--port ${values.port} is not a port.`);
  }
  const dir = resolve(values.dir ?? join(CHECKOUT, '.engines'));
  const statuses: EngineStatus[] = [];
  for (const name of names.length === 0 ? ENGINE_NAMES : names) {
    const engine = await engineNamed(name);
    if (engine === undefined) {
      throw new EngineProblem(`There is no engine ${name}; there are: ${ENGINE_NAMES.join(', ')}.`);
    }
    await act(verb, engine, { dir, port });
    statuses.push(await engineStatus(engine, join(dir, name)));
  }
  process.stdout.write(
    values.json === true ? `${JSON.stringify(statuses)}\n` : statuses.map(table).join('\n'),
  );
  return verb === 'status' && statuses.some(({ isUp }) => !isUp) ? 1 : 0;
}

async function act(verb: string, engine: Engine, { dir, port }: Options): Promise<void> {
  const folder = join(dir, engine.name);
  switch (verb) {
    case 'install':
      await installEngine(engine);
      return;
    case 'up':
      await engineUp(engine, folder, port ?? engine.portDefault);
      return;
    case 'down':
      await engineDown(engine, folder);
      return;
    case 'status':
      return;
    default:
      throw new EngineProblem(`"${verb}" is not one of install, up, down, status.\n\n${USAGE}`);
  }
}

function table({ engine, folder, isInstalled, isUp, servers }: EngineStatus): string {
  const word = isUp ? 'up' : isInstalled ? 'down' : 'not installed';
  const lines = [`${engine}: ${word} (${folder})`];
  for (const { server, state, pid, host, port, says } of servers) {
    const cells = [server, state, pid ?? '-', `${host}:${port}`, says ?? '-'];
    lines.push(`  ${cells.map((cell) => String(cell).padEnd(10)).join('  ')}`.trimEnd());
  }
  return `${lines.join('\n')}\n`;
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  const isOurs = error instanceof EngineProblem || (error instanceof TypeError && 'code' in error);
  process.stderr.write(isOurs ? `${error.message}\n` : `${String(error)}\n`);
  process.exit(1);
}
