// Room of the file system that a folder is on, asked for when a scraper comes.

import { statfsSync } from 'node:fs';
import type { Readings } from './metrics.ts';

/** A folder that cannot be asked has neither of the two: no figure is better than a wrong one. */
export function roomReadings(folder: string): Readings {
  const room = (read: (room: { free: number; total: number }) => number) => () => {
    try {
      const { bavail, blocks, bsize } = statfsSync(folder);
      const value = read({ free: bavail * bsize, total: blocks * bsize });
      return [{ labels: {}, value }];
    } catch {
      return [];
    }
  };
  return [
    {
      type: 'gauge',
      name: 'holdfast_data_free_bytes',
      help: "Room that is left to this node on the data folder's file system.",
      read: room(({ free }) => free),
    },
    {
      type: 'gauge',
      name: 'holdfast_data_total_bytes',
      help: "Size of the data folder's file system.",
      read: room(({ total }) => total),
    },
  ];
}
