// Where an engine lives: one folder, `.engines/<name>` in the checkout or another one, with one for
// each server in it, and the ports in `place.json`. Everything that the harness writes is there.

import { type Server, createServer } from 'node:net';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export type Place = {
  readonly folder: string;
  /** Port number by server and by the port's name. */
  readonly ports: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Servers that stand in a network namespace of their own, each with its address there. */
  readonly network?: PlaceNetwork;
};

export type PlaceNetwork = Readonly<
  Record<string, { readonly namespace: string; readonly address: string }>
>;
const PORT_MIN = 12_000;
const PORT_MAX = 32_000;

type Wanted = { readonly servers: readonly string[]; readonly ports: readonly string[] };

export function folderOf(place: Place, server: string): string {
  return join(place.folder, server);
}

/** The address that a server listens on. */
export function hostOf(place: Place, server: string): string {
  return place.network?.[server]?.address ?? '127.0.0.1';
}

/** host:port */
export function addressOf(place: Place, server: string, port: string): string {
  return `${hostOf(place, server)}:${portOf(place, server, port)}`;
}

export function portOf(place: Place, server: string, name: string): number {
  const port = place.ports[server]?.[name];
  if (port === undefined) throw new Error(`${place.folder} knows no port ${name} of ${server}.`);
  return port;
}

/** The place that was made in the folder; undefined where none was. */
export async function findPlace(folder: string): Promise<Place | undefined> {
  try {
    const { ports, network } = JSON.parse(
      await readFile(join(folder, 'place.json'), 'utf8'),
    ) as Place;
    return { folder, ports, ...(network && { network }) };
  } catch {
    return undefined;
  }
}

/** `portFirst` 0 = free ones, whichever. An engine that was here before keeps its ports. */
export async function makePlace(
  folder: string,
  { servers, ports }: Wanted,
  portFirst: number,
  network?: PlaceNetwork,
): Promise<Place> {
  const found = await findPlace(folder);
  if (found !== undefined) return found;
  const count = servers.length * ports.length;
  const numbers =
    portFirst === 0
      ? await freePorts(count)
      : Array.from({ length: count }, (_, index) => portFirst + index);
  const byServer = Object.fromEntries(
    servers.map((server, row) => [
      server,
      Object.fromEntries(ports.map((name, index) => [name, numbers[row * ports.length + index]!])),
    ]),
  );
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'place.json');
  const kept = { ports: byServer, ...(network && { network }) };
  await writeFile(`${path}.partial`, `${JSON.stringify(kept, undefined, 2)}\n`);
  await rename(`${path}.partial`, path);
  return { folder, ...kept };
}

/**
 * Ports that nobody listened on a moment ago; all different. Below those that systems give to
 * outgoing connections: one of these could hold the port of a server that was killed when it comes
 * back.
 */
async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  const servers: Server[] = [];
  try {
    let port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    for (let tries = PORT_MAX - PORT_MIN; found.length < count; tries--) {
      if (tries === 0) throw new Error('There are not enough free ports.');
      const server = await listenOn(port);
      if (server !== undefined) {
        servers.push(server);
        found.push(port);
      }
      port = port + 1 < PORT_MAX ? port + 1 : PORT_MIN;
    }
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
  return found;
}

/** undefined when somebody else does. */
async function listenOn(port: number): Promise<Server | undefined> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', () => resolve(undefined)).listen(port, '127.0.0.1', () => resolve(server));
  });
}
