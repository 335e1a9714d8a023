// What makes a node one of several, by the settings: the channel to the others, the coordinator,
// and who leads. A node without a name has none of it.

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../base/entry.ts';
import type { Leadership, PeerNetwork } from '../cluster/contract.ts';
import { createLeadership } from '../cluster/leadership.ts';
import type { PauseStore } from '../cluster/leadership/settings.ts';
import { createPeerNetwork } from '../cluster/peers/network.ts';
import { type Config, pathsOf } from '../config/config.ts';
import { type DataFolder, replaceFile } from '../config/data-folder.ts';
import { releaseVersion } from '../config/release.ts';
import { COORDINATOR_DRIVERS } from '../drivers/index.ts';
import type { ClusterOptions } from '../engine/node-options.ts';
import type { TermLines } from '../engine/terms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Coordinator } from '../ports/coordinator.ts';
import type { Logger } from '../telemetry/log.ts';
import { driverLog } from './driver-log.ts';
import type { Urls } from './doors.ts';

export type ClusterParts = {
  readonly config: Config;
  readonly folder: DataFolder;
  readonly logger: Logger;
  readonly clock: Clock;
};

/** Of a node with a name. */
export type ClusterMembership = {
  readonly options: ClusterOptions;
  /** Opens the channel, when the doors are open; resolves with its address. */
  listen(urls: Urls): Promise<string>;
};

/** Digits of the cluster's id in its path: enough to tell clusters of one ensemble apart. */
const PATH_DIGITS = 8;

export async function createMembership(parts: ClusterParts): Promise<ClusterMembership> {
  const { config, folder, logger, clock } = parts;
  const { node: id, heartbeatMs, challengeMs } = config;
  const release = releaseVersion();
  let urls: Urls | undefined;
  let peer = '';
  const addresses = () => ({ url: urls?.url ?? '', binaryUrl: urls?.binary_url ?? '' });
  const peers: PeerNetwork = createPeerNetwork({
    self: { id },
    addresses,
    host: config.host,
    port: config.peerPort,
    clusterId: toHex(folder.cluster.clusterId),
    timeline: String(folder.cluster.timeline),
    key: folder.clusterKey,
    clock,
    heartbeatMs,
    release,
    log: (level, text, error) => {
      const fields = { event: 'peers', ...(error !== undefined && { err: error }) };
      logger[level === 'warning' ? 'warn' : level](fields, text);
    },
  });
  const leadership: Leadership = createLeadership({
    self: { id, addresses: () => ({ ...addresses(), peer }) },
    coordinator: await createCoordinator(parts),
    coordinatorKind: config.coordinator,
    peers,
    clock,
    heartbeatMs,
    challengeMs,
    release,
    pauseStore: pauseStoreIn(folder.nodeFolder),
    log: (level, event, text) => logger[level]({ event }, text),
  });
  return {
    options: { id, leadership, peers, terms: termLinesIn(folder.nodeFolder) },
    listen: async (found) => {
      urls = found;
      const listening = await peers.open();
      peer = config.peerAddress === '' ? listening : config.peerAddress;
      return peer;
    },
  };
}

async function createCoordinator({ config, folder, logger }: ClusterParts): Promise<Coordinator> {
  const { sessionMs } = config;
  const log = driverLog(logger, 'coordinator');
  if (config.coordinator === 'local') {
    const create = await COORDINATOR_DRIVERS.local();
    return create({ folder: join(folder.folder, 'coordinator'), sessionMs, log });
  }
  const create = await COORDINATOR_DRIVERS.zookeeper();
  const digits = toHex(folder.cluster.clusterId).slice(0, PATH_DIGITS);
  const path = config.zookeeperPath === '' ? `/holdfast/${digits}` : config.zookeeperPath;
  return create({ servers: pathsOf(config.zookeeperServers), path, sessionMs, log });
}

function pauseStoreIn(nodeFolder: string): PauseStore {
  const file = join(nodeFolder, 'pause.json');
  return {
    read: () => {
      if (!existsSync(file)) return undefined;
      try {
        const said = JSON.parse(readFileSync(file, 'utf8')) as {
          readonly paused?: unknown;
          readonly since_ms?: unknown;
          readonly why?: unknown;
        } | null;
        if (typeof said?.paused !== 'boolean' || typeof said.since_ms !== 'number')
          return undefined;
        return { isPaused: said.paused, sinceMs: said.since_ms, why: String(said.why) };
      } catch {
        return undefined;
      }
    },
    write: ({ isPaused, sinceMs, why }) => {
      const content = { paused: isPaused, since_ms: sinceMs, why };
      replaceFile(file, `${JSON.stringify(content)}\n`, 0o644);
    },
  };
}

/** For people only: on a full disk a line is lost, and nothing else. */
function termLinesIn(nodeFolder: string): TermLines {
  const file = join(nodeFolder, 'openings.jsonl');
  return {
    read: async () => {
      try {
        return (await readFile(file, 'utf8')).split('\n');
      } catch {
        return [];
      }
    },
    append: (line) => {
      try {
        appendFileSync(file, `${line}\n`);
      } catch {
        // The journal has it.
      }
    },
  };
}
