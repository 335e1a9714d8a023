// A member in a process of its own, so that it can be killed and frozen. Does what it is told over
// its channel, and ends when that is closed.

import { COORDINATOR_DRIVERS } from '../../../src/drivers/index.ts';
import type { Candidacy, Coordinator } from '../../../src/ports/coordinator.ts';
import type { DriverChoice } from './harness.ts';
import type { Order, Told } from './member-messages.ts';

const FOREVER = new AbortController().signal;
let coordinator: Coordinator | undefined;
let candidacy: Candidacy | undefined;

function tell(told: Told): void {
  process.send?.(told);
}

function isHeld(): boolean {
  return candidacy !== undefined && candidacy.heldUntilMs() > performance.now();
}

async function create(choice: DriverChoice): Promise<Coordinator> {
  const log = (): void => undefined;
  return choice.driver === 'local'
    ? (await COORDINATOR_DRIVERS.local())({ ...choice.options, log })
    : (await COORDINATOR_DRIVERS.zookeeper())({ ...choice.options, log });
}

async function obey(order: Order): Promise<void> {
  switch (order.kind) {
    case 'open':
      coordinator = await create(order.choice);
      await coordinator.open({ id: order.id, detail: 'a process' }, FOREVER);
      tell({ kind: 'opened' });
      return;
    case 'campaign':
      candidacy = await coordinator!.campaign(FOREVER);
      tell({ kind: 'granted' });
      tell({ kind: 'lost', reason: await candidacy.lost, isHeld: isHeld() });
      return;
    case 'resign':
      await candidacy!.resign();
      tell({ kind: 'resigned' });
      return;
    case 'ask':
      tell({ kind: 'asked', isHeld: isHeld() });
      return;
    case 'claim': {
      const epochs: number[] = [];
      for (let epoch = 1; epoch <= order.epochs; epoch++) {
        const note = { epoch, memberId: order.id, detail: '' };
        if (await coordinator!.noteLeader(note, FOREVER)) epochs.push(epoch);
      }
      tell({ kind: 'claimed', epochs });
    }
  }
}

process.on('message', (order: Order) => void obey(order));
process.on('disconnect', () => process.exit(0));
tell({ kind: 'ready' });
