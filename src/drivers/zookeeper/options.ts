// Settings of the ZooKeeper driver.

import { OperationalError } from '../../base/errors.ts';
import type { ServerAddress } from './session.ts';

export type ZooKeeperOptions = {
  /** host:port of every server of the ensemble. */
  readonly servers: readonly string[];
  /** Absolute path of the cluster's own node; its parents are made too. */
  readonly path: string;
  /** 100 to 60,000; the ensemble has bounds of its own (2 to 20 of its ticks by default). */
  readonly sessionMs: number;
  readonly log: (level: 'info' | 'warning', text: string) => void;
};

const ADDRESS = /^(?<host>[^:\s]+|\[[0-9a-fA-F:]+\]):(?<port>[0-9]{1,5})$/;
const PATH = /^(\/[A-Za-z0-9_.-]+)+$/;

const SESSION_MS_MIN = 100;
const SESSION_MS_MAX = 60_000;

/** Throws CONFIGURATION_INVALID for whatever cannot be used. */
export function serversOf({ servers, path, sessionMs }: ZooKeeperOptions): ServerAddress[] {
  if (!(sessionMs >= SESSION_MS_MIN && sessionMs <= SESSION_MS_MAX)) {
    throw invalid(`A session of ${sessionMs} ms is not between 100 ms and one minute.`);
  }
  if (servers.length === 0) throw invalid('No ZooKeeper server is named.');
  if (!PATH.test(path)) throw invalid(`The path ${path} is not one of letters, digits, - _ and .`);
  return servers.map((text) => {
    const { host, port } = ADDRESS.exec(text)?.groups ?? {};
    const number = Number(port);
    if (host === undefined || !(number > 0 && number < 65_536)) {
      throw invalid(`"${text}" is not host:port.`);
    }
    return { host: host.replace(/^\[|\]$/g, ''), port: number };
  });
}

function invalid(detail: string): OperationalError {
  return new OperationalError('CONFIGURATION_INVALID', {
    detail,
    wayOut: 'Name every server of the ensemble as host:port, a path as /holdfast/name, a session.',
  });
}
