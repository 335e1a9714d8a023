// A fault for a node of its own, loaded before everything else: no file of a checkpoint gets its
// name any more, so that one is being taken for ever.

import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const rename = fsPromises.rename;

fsPromises.rename = async (source, target) => {
  if (!String(target).endsWith('.chunk')) return await rename(source, target);
  process.stderr.write('a checkpoint hangs\n');
  return await new Promise<void>(() => {});
};
syncBuiltinESMExports();
