// Whom the servers run as. Root starts them as `nobody`: databases refuse to run as root, and none
// of them needs any right but to its own folder. Everybody else starts them as himself.

import { readFile } from 'node:fs/promises';

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** undefined: as whoever runs this. */
export async function serverUser(): Promise<
  { readonly uid: number; readonly gid: number } | undefined
> {
  if (!isRoot()) return undefined;
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n');
  const fields = lines.find((line) => line.startsWith('nobody:'))?.split(':');
  if (fields === undefined) throw new Error('There is no user nobody to run servers as.');
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}
