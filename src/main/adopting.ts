// A folder that one node ran alone is started with several, or the other way round. The beginning
// of the journal may have been discarded meanwhile, through the checkpoints of who ran before: so
// they are taken over where they are newer. Whoever ran before does not run now (node-locks.ts).

import { join } from 'node:path';
import { type DataFolder, namedNodes } from '../config/data-folder.ts';
import { adoptCheckpoints } from '../drivers/file/adopt-checkpoints.ts';
import type { Logger } from '../telemetry/log.ts';

/** `name`: '' = the node runs alone. Without them it may still start: from the journal, or not. */
export async function adoptNewerCheckpoints(
  { folder, checkpointFolder }: DataFolder,
  name: string,
  logger: Logger,
): Promise<void> {
  const others = name === '' ? namedNodes(folder).map((other) => join('nodes', other)) : ['.'];
  for (const other of others) {
    const from = join(folder, other, 'checkpoints');
    try {
      const position = await adoptCheckpoints(from, checkpointFolder);
      if (position === 0) continue;
      const text = `took over the checkpoints in ${from}, up to position ${position}`;
      logger.info({ event: 'checkpoints_adopted', position }, text);
    } catch (error) {
      const text = `the checkpoints in ${from} could not be taken over`;
      logger.warn({ event: 'checkpoints_not_adopted', err: error }, text);
    }
  }
}
