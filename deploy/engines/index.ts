// The explicit table of engines: name -> lazy import.

import type { Engine } from './engine.ts';

const ENGINES: Readonly<Record<string, () => Promise<Engine>>> = {
  mysql: async () => (await import('./mysql.ts')).mysql,
  postgres: async () => (await import('./postgres.ts')).postgres,
  zookeeper: async () => (await import('./zookeeper.ts')).zookeeper,
};

export const ENGINE_NAMES: readonly string[] = Object.keys(ENGINES);

export async function engineNamed(name: string): Promise<Engine | undefined> {
  return await ENGINES[name]?.();
}
