// Brings an engine up, takes it down and says how it is; the same for every engine. Both directions
// may be asked for again at any time, also after half of the servers have died.

import { setTimeout as pause } from 'node:timers/promises';
import type { Engine } from './engine.ts';
import { type Place, findPlace, folderOf, makePlace, portOf } from './place.ts';
import { EngineProblem } from './problem.ts';
import { endProcess, type ProcessState } from './processes.ts';
import { forgetServer, processOf, serverState, startServer } from './servers.ts';

const UP_MS_MAX = 60_000;
const END_MS_MAX = 10_000;
const LOOK_MS = 50;

export type ServerStatus = {
  readonly server: string;
  readonly state: ProcessState;
  readonly pid: number | undefined;
  /** The port for clients. */
  readonly port: number;
  /** What the server says of itself. */
  readonly says: string | undefined;
  readonly folder: string;
};

export type EngineStatus = {
  readonly engine: string;
  readonly folder: string;
  readonly isInstalled: boolean;
  /** Whether clients can use it. */
  readonly isUp: boolean;
  readonly servers: readonly ServerStatus[];
};

/** `portFirst` 0 = free ports. Returns when clients can use it. */
export async function engineUp(engine: Engine, folder: string, portFirst: number): Promise<Place> {
  const missing = await engine.missing();
  if (missing.length > 0) {
    throw new EngineProblem(
      `${engine.name} is not installed (${missing.join(', ')}): ` +
        `npm run engines -- install ${engine.name}`,
    );
  }
  const place = await makePlace(folder, engine, portFirst);
  for (const server of engine.servers) {
    if ((await serverState(place, server)) === 'ended') await engine.prepare(place, server);
    await startServer(place, server, engine.command(place, server));
  }
  await engine.settle?.(place);
  await untilUsable(engine, place);
  return place;
}

/** Returns when clients can use it and every server has its place in it. */
async function untilUsable(engine: Engine, place: Place): Promise<void> {
  const deadlineMs = performance.now() + UP_MS_MAX;
  for (;;) {
    const { isUp, servers } = await engineStatus(engine, place.folder);
    if (isUp && servers.every(({ says }) => says !== undefined)) return;
    const ended = servers.filter(({ state }) => state === 'ended');
    if (ended.length > 0 || performance.now() > deadlineMs) {
      const which = (ended.length > 0 ? ended : servers).map(({ server }) => server).join(', ');
      throw new EngineProblem(
        `${engine.name} does not come up (${which}): see output.log and server.log in the ` +
          `folders below ${place.folder}.`,
      );
    }
    await pause(LOOK_MS);
  }
}

/** The data stays. */
export async function engineDown(engine: Engine, folder: string): Promise<void> {
  const place = await findPlace(folder);
  if (place === undefined) return;
  await Promise.all(
    engine.servers.map(async (server) => {
      const mark = await processOf(place, server);
      if (mark !== undefined) await endProcess(mark, END_MS_MAX);
      await forgetServer(place, server);
    }),
  );
}

export async function engineStatus(engine: Engine, folder: string): Promise<EngineStatus> {
  const isInstalled = (await engine.missing()).length === 0;
  const place = await findPlace(folder);
  if (place === undefined) {
    return { engine: engine.name, folder, isInstalled, isUp: false, servers: [] };
  }
  const servers = await Promise.all(
    engine.servers.map(async (server) => {
      const mark = await processOf(place, server);
      const state = await serverState(place, server);
      const says = state === 'running' ? await engine.ask(place, server) : undefined;
      const pid = state === 'ended' ? undefined : mark?.pid;
      const port = portOf(place, server, engine.ports[0]!);
      return { server, state, pid, port, says, folder: folderOf(place, server) };
    }),
  );
  const isUp = engine.isUsable(servers.map(({ says }) => says));
  return { engine: engine.name, folder, isInstalled, isUp, servers };
}
