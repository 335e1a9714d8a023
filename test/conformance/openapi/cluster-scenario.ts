// The cluster's operations, asked of three real nodes in one process. Times and counts differ from
// run to run: what is compared of these answers is their shape.

import { type HttpServer, createHttpServer } from '../../../src/api/server.ts';
import { Cluster, type ClusterNode } from '../../support/cluster-rig.ts';
import { until } from '../../support/until.ts';
import { KEY } from './real-node.ts';
import type { Teller } from './teller.ts';

function serve({ id, node }: ClusterNode): HttpServer {
  return createHttpServer({
    engine: node,
    node: id,
    apiKey: KEY,
    metricsText: () => Promise.resolve(''),
    logger: { error: () => undefined, info: () => undefined },
  });
}

export async function tellCluster(teller: Teller): Promise<void> {
  await using cluster = new Cluster();
  await cluster.start('node-1');
  await cluster.untilLed();
  for (const id of ['node-2', 'node-3']) await cluster.begin(id).then(({ node }) => node.start());
  await until(() => cluster.standbys().length === 2, 'two standbys');
  const leader = cluster.leader()!;
  const standby = cluster.standbys()[0]!;
  const knowsAll = () =>
    leader.node.cluster!.view().members.every(({ state }) => state !== undefined);
  await until(knowsAll, 'the leader to have heard of all');
  const knowsLeader = () => standby.node.cluster!.view().leader !== undefined;
  await until(knowsLeader, 'the standby to have heard of the leader');
  await cluster.untilLevel();
  const servers = [serve(leader), serve(standby)] as const;
  const [atLeader, atStandby] = servers;
  await teller.tell(atLeader, 'getCluster', 'three nodes', {}, 200);
  await teller.tell(atLeader, 'listTerms', 'the last one', { query: { limit: '1' } }, 200);
  await teller.tell(atStandby, 'getStatus', 'following', {}, 200);
  for (const how of ['probe', 'options']) {
    await teller.tell(atStandby, `${how}Readyz`, 'standby', {}, 200);
    await teller.tell(atStandby, `${how}Leader`, 'standby', {}, 503);
    await teller.tell(atStandby, `${how}Replica`, 'standby', { query: { lag: '100' } }, 200);
  }
  const pause = { body: { reason: 'New disks in rack 4.' } };
  await teller.tell(atLeader, 'pauseFailover', 'with a reason', pause, 200);
  await teller.tell(atLeader, 'resumeFailover', 'again', {}, 200);
  const nobody = { body: { target: 'node-9' } };
  await teller.tell(atLeader, 'switchOver', 'to nobody', nobody, 409);
  await until(() => leader.node.cluster!.view().failover.isOn, 'failover to be on');
  const body = { target: standby.id };
  await teller.tell(atLeader, 'switchOver', 'to a standby', { body }, 200);
  for (const server of servers) await server.close();
}
