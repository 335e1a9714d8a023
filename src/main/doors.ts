// The two doors of a node: HTTP and the binary protocol, opened both or not at all.

import { type BinaryServer, createBinaryServer } from '../api/binary/server.ts';
import { type HttpServer, createHttpServer } from '../api/server.ts';
import { OperationalError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import type { DataFolder } from '../config/data-folder.ts';
import { readTlsFiles } from '../config/tls-files.ts';
import type { HoldfastNode } from '../engine/node.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Spans } from '../telemetry/spans.ts';

export type Doors = { readonly http: HttpServer; readonly binary: BinaryServer };
export type Urls = { readonly url: string; readonly binary_url: string };

export type DoorParts = {
  readonly config: Config;
  readonly folder: DataFolder;
  readonly logger: Logger;
  readonly node: HoldfastNode;
  readonly metrics: Metrics;
  readonly spans: Spans | undefined;
};

export function createDoors({ config, folder, logger, node, metrics, spans }: DoorParts): Doors {
  const common = { engine: node, apiKey: folder.apiKey, logger };
  const outcomeWaitMs = config.requestDeadlineMs;
  const tls = readTlsFiles(config);
  const metricsText = (): Promise<string> => metrics.text();
  return {
    http: createHttpServer({
      ...common,
      node: config.node,
      tls,
      checkpoints: node,
      outcomeWaitMs,
      metricsText,
      spans,
    }),
    binary: createBinaryServer({ ...common, tls, bounds: { outcomeWaitMs } }),
  };
}

export async function closeDoors({ http, binary }: Doors): Promise<void> {
  await Promise.all([http.close(), binary.close()]);
}

/** Opens both doors or none. */
export async function openDoors(doors: Doors, config: Config): Promise<Urls> {
  const { host, port, binaryPort } = config;
  const url = await told(doors.http.listen({ host, port }), { host, port, option: '--port' });
  try {
    const listening = doors.binary.listen({ host, port: binaryPort });
    const place = { host, port: binaryPort, option: '--binary-port' };
    return { url, binary_url: await told(listening, place) };
  } catch (error) {
    await doors.http.close();
    throw error;
  }
}

type Place = { readonly host: string; readonly port: number; readonly option: string };

/** A port in use is the commonest mistake of all: it is told as one, not as a failed call. */
async function told(listening: Promise<string>, { host, port, option }: Place): Promise<string> {
  try {
    return await listening;
  } catch (error) {
    const isInUse = (error as { readonly code?: unknown }).code === 'EADDRINUSE';
    const why = isInUse ? 'the address is in use by another process' : String(error);
    throw new OperationalError('CONFIGURATION_INVALID', {
      detail: `Nothing can listen on ${host}:${port}: ${why}. The journal was not touched.`,
      wayOut: `Give another ${option} (0 = any free one) or --host, or stop what listens there.`,
      cause: error,
    });
  }
}

type Renewal = { readonly config: Config; readonly logger: Logger; readonly doors: Doors };

/**
 * SIGHUP: the certificate's files are read again. With files that cannot be used the node goes on
 * with what it has, and without TLS there is nothing to do: neither a typo nor a terminal that was
 * closed ends a node.
 */
export function renewCertificateOnHangup({ config, logger, doors }: Renewal): void {
  process.on('SIGHUP', () => {
    try {
      const tls = readTlsFiles(config);
      if (tls === undefined) return;
      doors.http.useCertificate(tls);
      doors.binary.useCertificate(tls);
      const text = 'new connections use the files as they are now';
      logger.info({ event: 'certificate_renewed' }, text);
    } catch (error) {
      const text = 'the certificate could not be renewed; the one before stays in use';
      logger.error({ event: 'certificate_not_renewed', err: error }, text);
    }
  });
}
