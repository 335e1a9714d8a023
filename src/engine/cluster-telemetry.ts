// The cluster in the log and in the metrics, for nodes that have a name. Gauges are read when a
// scraper comes. Log lines are for what people want to find afterwards, each with an event code
// that stays: who led from when, and since when nobody would have taken over.

import type { ClusterControl, ClusterView, Leadership } from '../cluster/contract.ts';
import type { Logger } from '../telemetry/log.ts';
import type { NumberReading, Readings } from '../telemetry/metrics.ts';

type Reading = NumberReading;
type Values = ReturnType<Reading['read']>;

/** `cluster` is asked at each scrape; undefined = it is not there yet. */
export function clusterReadings(cluster: () => ClusterControl | undefined): Readings {
  const values = (read: (view: ClusterView) => Values) => (): Values => {
    const view = cluster()?.view();
    return view === undefined ? [] : read(view);
  };
  const gauge = (name: string, help: string, read: (view: ClusterView) => number): Reading => ({
    type: 'gauge',
    name: `holdfast_${name}`,
    help,
    read: values((view) => [{ labels: {}, value: read(view) }]),
  });
  return [
    gauge('cluster_members', 'Members that the coordinator knows, this node included.', (view) => {
      return view.members.filter(({ isMember }) => isMember).length;
    }),
    gauge('cluster_peers_linked', 'Other nodes that this one has a connection to.', (view) => {
      return view.members.filter(({ isSelf, isLinked }) => !isSelf && isLinked).length;
    }),
    gauge('cluster_leader_epoch', 'Epoch of the leader that is known; 0 = none is.', (view) => {
      return view.leader?.epoch ?? 0;
    }),
    gauge(
      'replication_lag_positions',
      'How many positions this node is behind the highest durable one that it has heard of.',
      (view) => view.members.find(({ isSelf }) => isSelf)?.lag ?? 0,
    ),
    gauge('failover_enabled', '1 while a lost leader would be replaced by itself.', (view) => {
      return view.failover.isOn ? 1 : 0;
    }),
    gauge('cluster_paused', '1 while people have switched failover off.', (view) => {
      return view.pause.isPaused ? 1 : 0;
    }),
    gauge('coordinator_connected', '1 while the coordinator answers this node.', (view) => {
      return view.coordinator.connected ? 1 : 0;
    }),
    {
      type: 'gauge',
      name: 'holdfast_peer_clock_difference_seconds',
      help: "A peer's clock less that of this node, by the shortest round trip of late.",
      labelNames: ['peer'],
      read: values((view) =>
        view.members
          .filter(({ isSelf, isLinked }) => !isSelf && isLinked)
          .map(({ id, clockDifferenceMs }) => ({
            labels: { peer: id },
            value: clockDifferenceMs / 1000,
          })),
      ),
    },
  ];
}

/** Changes come with every durable entry of the leader; so often at most they are looked at. */
const LOOK_MS = 50;

export type ClusterWatchOptions = {
  readonly leadership: Pick<Leadership, 'view' | 'subscribe'>;
  readonly logger: Logger;
};

/** Logs what changes in the cluster. Returns what ends it. */
export function watchCluster({ leadership, logger }: ClusterWatchOptions): () => void {
  let before: ClusterView | undefined;
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    timer = undefined;
    const now = leadership.view();
    logLeader(logger, before, now);
    // Why failover is off now, or on again, has been said then.
    if (!logPause(logger, before, now)) logFailover(logger, before, now);
    before = now;
  };
  const unsubscribe = leadership.subscribe(() => (timer ??= setTimeout(look, LOOK_MS)));
  return () => {
    unsubscribe();
    clearTimeout(timer);
  };
}

function logLeader(logger: Logger, before: ClusterView | undefined, now: ClusterView): void {
  const was = before?.leader;
  const { leader } = now;
  if (was?.id === leader?.id && was?.epoch === leader?.epoch) return;
  if (leader !== undefined) {
    const fields = { event: 'leader_seen', leader: leader.id, epoch: leader.epoch };
    logger.info(fields, `${leader.id} leads, epoch ${leader.epoch}`);
  } else if (was !== undefined) {
    const fields = { event: 'leader_lost', leader: was.id, epoch: was.epoch };
    logger.warn(fields, `${was.id} is not heard as the leader any more; payments are held`);
  }
}

/** False = nothing of it has changed. */
function logPause(
  logger: Logger,
  before: ClusterView | undefined,
  { pause }: ClusterView,
): boolean {
  if ((before?.pause.isPaused ?? false) === pause.isPaused) return false;
  const fields = { event: pause.isPaused ? 'failover_paused' : 'failover_resumed' };
  if (pause.isPaused) logger.warn({ ...fields, why: pause.why }, `failover paused: ${pause.why}`);
  else logger.info(fields, 'failover resumed');
  return true;
}

function logFailover(logger: Logger, before: ClusterView | undefined, now: ClusterView): void {
  const { isOn, reason } = now.failover;
  if (before === undefined ? isOn : before.failover.isOn === isOn) return;
  const fields = { event: isOn ? 'failover_on' : 'failover_off', reason };
  if (isOn) logger.info(fields, `a lost leader would be replaced: ${reason}`);
  else logger.warn(fields, `a lost leader would not be replaced: ${reason}`);
}
