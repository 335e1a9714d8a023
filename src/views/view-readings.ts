// What a scraper is told of the views.

import type { Readings } from '../telemetry/metrics.ts';
import type { LiveViews } from './live-views.ts';

export function viewReadings(views: Pick<LiveViews, 'status' | 'figures'>): Readings {
  const reading = (type: 'gauge' | 'counter', name: string, help: string, read: () => number) => ({
    type,
    name: `holdfast_views_${name}`,
    help,
    read: () => [{ labels: {}, value: read() }],
  });
  return [
    reading('gauge', 'complete', '1 while the views are the books at their position.', () =>
      views.status().isComplete ? 1 : 0,
    ),
    reading('gauge', 'position', 'Last position that is in the views as a whole.', () => {
      return views.status().position;
    }),
    reading('gauge', 'lag_positions', 'Positions that the node is ahead of its views.', () => {
      return views.status().lag;
    }),
    reading('gauge', 'transfers', 'Transfers in the views.', () => views.status().transfers),
    reading('counter', 'rows_written_total', 'Rows written since start.', () => views.figures.rows),
    reading('counter', 'write_seconds_total', 'Time that writing them took, together.', () => {
      return views.figures.writeSeconds;
    }),
    reading('counter', 'rebuilds_total', 'How often they were begun anew since start.', () => {
      return views.figures.rebuilds;
    }),
  ];
}
