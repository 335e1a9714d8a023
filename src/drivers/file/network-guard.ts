// Network file systems are refused: their locks and their fsync mean something else, and a write
// that was answered can come back later from another machine's cache.

import { OperationalError } from '../../base/errors.ts';
import type { FileJournalSettings } from './options.ts';

const REFUSED = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff53_4d42, 'CIFS'],
  [0xfe53_4d42, 'SMB2'],
  [0x0102_1997, '9P'],
  [0x00c3_6400, 'Ceph'],
  [0x0bd0_0bd0, 'Lustre'],
  [0x5346_414f, 'AFS'],
  [0x4750_4653, 'GPFS'],
  [0x0116_1970, 'GFS2'],
  [0x7461_636f, 'OCFS2'],
]);
const FUSE = 0x6573_5546;

/** Throws for a network file system; returns a warning where it cannot be known. */
export async function checkFileSystemType(
  { fileSystem, log }: FileJournalSettings,
  directory: string,
): Promise<string | undefined> {
  // Some systems report the number as a signed one.
  const type = (await fileSystem.typeOf(directory)) >>> 0;
  const name = REFUSED.get(type);
  if (name !== undefined) {
    throw new OperationalError('DATA_FOLDER_UNUSABLE', {
      detail: `${directory} is on a network file system (${name}); an acknowledged payment could be lost there. Nothing was written.`,
      wayOut: 'Put the data folder on a local disk.',
    });
  }
  if (type !== FUSE) return undefined;
  const warning = `${directory} is on a FUSE file system; make sure that its fsync reaches a disk.`;
  log('warning', warning);
  return warning;
}
