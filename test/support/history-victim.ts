// A process that feeds a history and is killed while it does: seals runs, writes tails, starts
// again. Arguments: folder, transfers of a run, seed, part of the load from which on it was not fed
// before.

import { HistoryRig } from './history-rig.ts';
import { SeededLoad } from '../properties/seeded-load.ts';

const [folder = '', runTransfers = '0', seed = '0'] = process.argv.slice(2);
const rig = await HistoryRig.open({ folder, runTransfers: Number(runTransfers) });
process.stdout.write('open\n');
const sent = [...new SeededLoad(Number(seed), 40).commands(24)];
for (const [index, one] of sent.entries()) {
  rig.send(one, true);
  if (index % 10 === 9) await rig.history.persist();
}
rig.settle();
process.stdout.write('fed\n');
await new Promise<void>((resolve) => setTimeout(resolve, 20_000));
await rig.history.close();
