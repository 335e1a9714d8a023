// The network over sockets keeps what every PeerNetwork promises.

import type { PeerNetwork } from '../contract.ts';
import { createClock } from '../../drivers/system/clock.ts';
import { type PeersRig, describePeerNetwork } from '../testing/peers-suite.ts';
import { createPeerNetwork } from './network.ts';

async function makeRig(): Promise<PeersRig> {
  const networks = new Map<string, { readonly network: PeerNetwork; readonly peer: string }>();
  const opened: PeerNetwork[] = [];
  return Promise.resolve({
    open: async (id) => {
      const network = createPeerNetwork({
        self: { id },
        addresses: () => ({ url: `http://${id}`, binaryUrl: `holdfast://${id}` }),
        host: '127.0.0.1',
        port: 0,
        clusterId: 'cluster-1',
        timeline: 'timeline-1',
        key: new Uint8Array(32).fill(7),
        clock: createClock(),
        heartbeatMs: 50,
        release: '0.1.0',
        log: () => undefined,
      });
      opened.push(network);
      networks.set(id, { network, peer: await network.open() });
      return network;
    },
    introduce: () => {
      const known = [...networks].map(([id, { peer }]) => {
        return { id, addresses: { url: `http://${id}`, binaryUrl: `holdfast://${id}`, peer } };
      });
      for (const { network } of networks.values()) network.know(known);
    },
    [Symbol.asyncDispose]: async () => {
      for (const network of opened) await network.close();
    },
  });
}

describePeerNetwork('over TCP', makeRig);
