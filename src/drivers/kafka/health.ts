// The partition's replicas as the driver saw them last, for people.

import type { JournalHealth } from '../../ports/journal.ts';
import type { Cluster } from './cluster.ts';

type Place = JournalHealth['places'][number];

export function placesOf(cluster: Cluster): Place[] {
  const { topology } = cluster;
  if (topology === undefined) return [];
  return topology.replicas.map((id): Place => {
    const host = topology.brokers.get(id);
    const where = host === undefined ? '' : ` (${host.host}:${host.port})`;
    const name = `broker ${id}${where}`;
    if (!cluster.answers(id)) return { name, state: 'dropped', detail: 'It does not answer.' };
    const isInSync = topology.inSync.includes(id);
    return { name, state: isInSync ? 'active' : 'joining', detail: '' };
  });
}
