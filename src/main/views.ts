// The views of a node, by the settings: none, or tables in SQLite beside the history.

import { join } from 'node:path';
import { toHex } from '../base/entry.ts';
import type { Config } from '../config/config.ts';
import type { DataFolder } from '../config/data-folder.ts';
import type { Logger } from '../telemetry/log.ts';
import { LiveViews } from '../views/live-views.ts';
import { driverLog } from './driver-log.ts';

export const VIEWS_FILE = 'views.sqlite';

type ViewsParts = {
  readonly config: Config;
  readonly folder: DataFolder;
  readonly logger: Logger;
};

/** Undefined = the node keeps none. */
export function createViews({ config, folder, logger }: ViewsParts): LiveViews | undefined {
  if (config.views === 'off') return undefined;
  // Threads load it by themselves; in the published package it is JavaScript.
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const { clusterId, timeline } = folder.cluster;
  return new LiveViews({
    store: {
      url: new URL(`../drivers/sqlite/driver${ending}`, import.meta.url).href,
      options: { file: join(folder.viewsFolder, VIEWS_FILE) },
    },
    identity: { clusterId: toHex(clusterId), timeline },
    log: driverLog(logger, 'views'),
  });
}
