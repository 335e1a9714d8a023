// The Grafana dashboard, made from this table; `node deploy/grafana/dashboard.ts --write` renews
// the committed file. A test compares both, and looks up every metric in what a node serves.

import { writeFileSync } from 'node:fs';

export const DASHBOARD_FILE = new URL('holdfast.json', import.meta.url);

const SOURCE = { type: 'prometheus', uid: '${DS_PROMETHEUS}' } as const;
const OF_JOB = 'job=~"$job"';
const COLUMNS = 24;
const HEIGHT = 8;

type Query = readonly [expression: string, legend: string];
type Panel = {
  readonly title: string;
  readonly text: string;
  readonly unit: string;
  readonly kind?: 'timeseries' | 'stat' | 'state-timeline';
  readonly width?: number;
  readonly mayBeNegative?: true;
  readonly queries: readonly Query[];
};
type Row = { readonly title: string; readonly panels: readonly Panel[] };

function quantiles(metric: string, by: string, labels = OF_JOB): Query[] {
  return [0.5, 0.99].map((share): Query => {
    const buckets = `sum by (${by}le) (rate(${metric}_bucket{${labels}}[$__rate_interval]))`;
    return [`histogram_quantile(${share}, ${buckets})`, `p${share * 100}`];
  });
}

const POSTS = `${OF_JOB},method="POST",route=~"/v1/transfers.*"`;

const ROWS: readonly Row[] = [
  {
    title: 'Does it take payments?',
    panels: [
      {
        title: 'Who leads',
        text: 'The role of each node over time. A failover is a gap of less than a second.',
        unit: 'none',
        kind: 'state-timeline',
        width: 12,
        queries: [[`holdfast_node_role{${OF_JOB},role="leading"}`, '{{instance}}']],
      },
      {
        title: 'A lost leader would be replaced',
        text: '0: payments go on, but nobody would take over.',
        unit: 'none',
        kind: 'stat',
        width: 4,
        queries: [[`min(holdfast_failover_enabled{${OF_JOB}})`, 'failover']],
      },
      {
        title: 'Journal answers',
        text: '0: the engine of the journal does not answer some node.',
        unit: 'none',
        kind: 'stat',
        width: 4,
        queries: [[`min(holdfast_journal_up{${OF_JOB}})`, 'journal']],
      },
      {
        title: 'Nodes that take no payments',
        text: 'Disk full or clock wrong.',
        unit: 'none',
        kind: 'stat',
        width: 4,
        queries: [[`sum(holdfast_impeded{${OF_JOB}})`, 'impeded']],
      },
    ],
  },
  {
    title: 'Rate, errors, duration',
    panels: [
      {
        title: 'Transfers',
        text: 'Answered transfers by outcome, both doors.',
        unit: 'ops',
        queries: [
          [
            `sum by (outcome) (rate(holdfast_transfers_total{${OF_JOB}}[$__rate_interval]))`,
            '{{outcome}}',
          ],
        ],
      },
      {
        title: 'HTTP requests by status',
        text: '5xx is what the client did not cause.',
        unit: 'reqps',
        queries: [
          [
            `sum by (status) (rate(holdfast_http_requests_total{${OF_JOB}}[$__rate_interval]))`,
            '{{status}}',
          ],
        ],
      },
      {
        title: 'POST /v1/transfers',
        text: 'From the head of the request to the answer.',
        unit: 's',
        queries: quantiles('holdfast_http_request_duration_seconds', '', POSTS),
      },
      {
        title: 'Binary requests by outcome',
        text: 'unknown: the caller must repeat with the same ids.',
        unit: 'reqps',
        queries: [
          [
            `sum by (outcome) (rate(holdfast_binary_requests_total{${OF_JOB}}[$__rate_interval]))`,
            '{{outcome}}',
          ],
        ],
      },
      {
        title: 'Waiting to be numbered',
        text: 'Commands in the queues of the nodes: rises under overload and without a leader.',
        unit: 'none',
        queries: [[`holdfast_queue_commands{${OF_JOB}}`, '{{instance}}']],
      },
      {
        title: 'Connections and requests under way (binary)',
        text: 'Of the binary door.',
        unit: 'none',
        queries: [
          [`holdfast_binary_connections{${OF_JOB}}`, '{{instance}} connections'],
          [`holdfast_binary_requests_in_flight{${OF_JOB}}`, '{{instance}} in flight'],
        ],
      },
    ],
  },
  {
    title: 'Journal',
    panels: [
      {
        title: 'Making an entry durable',
        text: 'The sync of the disk, or the replication of the engine.',
        unit: 's',
        queries: quantiles('holdfast_journal_append_duration_seconds', ''),
      },
      {
        title: 'Commands in one entry',
        text: 'How well group commit works: under load it should rise.',
        unit: 'none',
        queries: quantiles('holdfast_journal_entry_commands', ''),
      },
      {
        title: 'Entries and bytes a second',
        text: 'What the leader makes durable.',
        unit: 'none',
        queries: [
          [
            `sum(rate(holdfast_journal_entries_total{${OF_JOB}}[$__rate_interval]))`,
            'entries a second',
          ],
          [
            `sum(rate(holdfast_journal_bytes_total{${OF_JOB}}[$__rate_interval])) / 1048576`,
            'MiB a second',
          ],
        ],
      },
      {
        title: 'Position',
        text: 'Last applied position of each node; the lines lie on each other.',
        unit: 'none',
        queries: [[`holdfast_journal_position{${OF_JOB}}`, '{{instance}}']],
      },
      {
        title: 'Behind the leader',
        text: 'Positions that a standby would still have to apply.',
        unit: 'none',
        queries: [[`holdfast_replication_lag_positions{${OF_JOB}}`, '{{instance}}']],
      },
      {
        title: 'Engine of the journal away',
        text: 'Seconds a second in which it did not answer.',
        unit: 'percentunit',
        queries: [
          [
            `rate(holdfast_journal_unavailable_seconds_total{${OF_JOB}}[$__rate_interval])`,
            '{{instance}}',
          ],
        ],
      },
    ],
  },
  {
    title: 'Cluster',
    panels: [
      {
        title: 'Changes of role',
        text: 'In five minutes, by the role that came.',
        unit: 'none',
        queries: [
          [`sum by (to) (increase(holdfast_node_role_changes_total{${OF_JOB}}[5m]))`, '{{to}}'],
        ],
      },
      {
        title: 'Links and coordinator',
        text: 'Other nodes that each node has a connection to, and its connection to the coordinator.',
        unit: 'none',
        queries: [
          [`holdfast_cluster_peers_linked{${OF_JOB}}`, '{{instance}} linked'],
          [`holdfast_coordinator_connected{${OF_JOB}}`, '{{instance}} coordinator'],
        ],
      },
      {
        title: "Difference of the peers' clocks",
        text: 'Above 0.25 s somebody should look; above 1 s a node takes no payments.',
        unit: 's',
        mayBeNegative: true,
        queries: [[`holdfast_peer_clock_difference_seconds{${OF_JOB}}`, '{{instance}} - {{peer}}']],
      },
    ],
  },
  {
    title: 'Checkpoints, history, machine',
    panels: [
      {
        title: 'Age of the newest checkpoint',
        text: 'A restart replays what was written since.',
        unit: 's',
        queries: [[`holdfast_checkpoint_age_seconds{${OF_JOB}}`, '{{instance}}']],
      },
      {
        title: 'History behind the journal',
        text: 'Positions that the history has not read yet.',
        unit: 'none',
        queries: [
          [
            `holdfast_journal_position{${OF_JOB}} - holdfast_history_position{${OF_JOB}}`,
            '{{instance}}',
          ],
        ],
      },
      {
        title: 'Room in the data folder',
        text: 'Share that is free.',
        unit: 'percentunit',
        queries: [
          [
            `holdfast_data_free_bytes{${OF_JOB}} / holdfast_data_total_bytes{${OF_JOB}}`,
            '{{instance}}',
          ],
        ],
      },
      {
        title: 'CPU',
        text: 'Cores that each process uses.',
        unit: 'none',
        queries: [[`rate(process_cpu_seconds_total{${OF_JOB}}[$__rate_interval])`, '{{instance}}']],
      },
      {
        title: 'Memory',
        text: 'Resident. It does not grow with the history.',
        unit: 'bytes',
        queries: [[`process_resident_memory_bytes{${OF_JOB}}`, '{{instance}}']],
      },
      {
        title: 'Event loop',
        text: 'How late its turns come, 99th percentile.',
        unit: 's',
        queries: [[`nodejs_eventloop_lag_p99_seconds{${OF_JOB}}`, '{{instance}}']],
      },
    ],
  },
];

/** As it is committed. */
export function dashboardText(): string {
  const panels: object[] = [];
  let y = 0;
  for (const row of ROWS) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: COLUMNS, h: 1 },
      panels: [],
    });
    let x = 0;
    for (const panel of row.panels) {
      const { width = 8 } = panel;
      if (x + width > COLUMNS) {
        x = 0;
        y += HEIGHT;
      }
      panels.push(panelOf(panel, panels.length + 1, { x, y, w: width, h: HEIGHT }));
      x += width;
    }
    y += HEIGHT;
  }
  const dashboard = {
    uid: 'holdfast',
    title: 'Holdfast',
    description: 'Payments, journal, cluster. Alerts: deploy/prometheus, runbooks: docs/runbooks.',
    schemaVersion: 39,
    version: 1,
    editable: true,
    refresh: '5s',
    time: { from: 'now-30m', to: 'now' },
    tags: ['holdfast'],
    templating: { list: [sourceVariable(), jobVariable()] },
    panels,
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

/** The expressions of all panels. */
export function expressions(): readonly string[] {
  return ROWS.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(([of]) => of)));
}

function panelOf(panel: Panel, id: number, gridPos: object): object {
  const { title, text, unit, kind = 'timeseries', mayBeNegative = false, queries } = panel;
  return {
    id,
    type: kind,
    title,
    description: text,
    datasource: SOURCE,
    gridPos,
    fieldConfig: { defaults: mayBeNegative ? { unit } : { unit, min: 0 }, overrides: [] },
    options:
      kind === 'stat' ? { graphMode: 'none', reduceOptions: { calcs: ['lastNotNull'] } } : {},
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource: SOURCE,
      expr,
      legendFormat,
    })),
  };
}

function sourceVariable(): object {
  return { name: 'DS_PROMETHEUS', label: 'Prometheus', type: 'datasource', query: 'prometheus' };
}

function jobVariable(): object {
  const query = 'label_values(holdfast_build_info, job)';
  return {
    name: 'job',
    label: 'Cluster',
    type: 'query',
    datasource: SOURCE,
    query: { query, refId: 'job' },
    refresh: 2,
    multi: true,
    includeAll: true,
    current: {},
  };
}

if (import.meta.main && process.argv.includes('--write')) {
  writeFileSync(DASHBOARD_FILE, dashboardText());
}
