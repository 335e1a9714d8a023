// Settings of the local driver, and which folders it refuses.

import { statfs } from 'node:fs/promises';
import { OperationalError } from '../../base/errors.ts';

export type LocalOptions = {
  /** On a local disk, the same for all members. */
  readonly folder: string;
  /** 100 to 60,000. A process that showed no sign of life for so long is frozen. */
  readonly sessionMs: number;
  readonly log: (level: 'info' | 'warning', text: string) => void;
};

const SESSION_MS_MIN = 100;
const SESSION_MS_MAX = 60_000;

/** Numbers of network file systems: their locks do not end with their process. */
const NETWORK = new Set([
  0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x00c3_6400, 0x0bd0_0bd0, 0x5346_414f,
  0x4750_4653, 0x0116_1970, 0x7461_636f,
]);

/** What waiting does not mend. */
const UNUSABLE = new Set([
  'EACCES',
  'EEXIST',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'ENAMETOOLONG',
  'EINVAL',
]);

export function checkOptions({ folder, sessionMs }: LocalOptions): void {
  if (folder !== '' && sessionMs >= SESSION_MS_MIN && sessionMs <= SESSION_MS_MAX) return;
  throw new OperationalError('CONFIGURATION_INVALID', {
    detail: `A folder "${folder}" with sessions of ${sessionMs} ms cannot be used.`,
    wayOut: 'Name a folder, and a session between 100 ms and one minute.',
  });
}

export async function checkFolder(folder: string): Promise<void> {
  const { type } = await statfs(folder);
  // Some systems report the number as a signed one.
  if (!NETWORK.has(type >>> 0)) return;
  throw new OperationalError('DATA_FOLDER_UNUSABLE', {
    detail: `${folder} is on a network file system: its locks do not end with their process.`,
    wayOut: 'Put it on a local disk, or let the nodes coordinate by ZooKeeper.',
  });
}

/** The error to throw, where waiting would be in vain. */
export function unusable(folder: string, error: unknown): OperationalError | undefined {
  if (error instanceof OperationalError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!UNUSABLE.has(code)) return undefined;
  return new OperationalError('DATA_FOLDER_UNUSABLE', {
    detail: `${folder} cannot be used to coordinate: ${String(error)}.`,
    wayOut: 'Make the folder writable for every node, or name another one.',
    cause: error,
  });
}
