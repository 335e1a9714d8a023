// Prometheus metrics of a node. Names: prefix, base units, `_total` on counters; labels are small
// closed sets (no account, no transfer id). Gauges are read when a scraper asks: nothing is kept.

import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from '@prometheus-io/client';

export type GaugeReading = {
  /** With `_total` at its end it is a counter: it rises from 0 at each start of the process. */
  readonly name: string;
  readonly help: string;
  readonly read: () => number;
};

type Labels = Readonly<Record<string, string>>;

type ReadingBase = {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
};

export type NumberReading = ReadingBase & {
  readonly type: 'gauge' | 'counter';
  readonly read: () => readonly { readonly labels: Labels; readonly value: number }[];
};

export type HistogramReading = ReadingBase & {
  readonly type: 'histogram';
  /** Upper bounds, inclusive, rising. */
  readonly bounds: readonly number[];
  /** `counts` has one more than the bounds: of each bound those above the one before. */
  readonly read: () => readonly {
    readonly labels: Labels;
    readonly counts: ArrayLike<number>;
    readonly sum: number;
  }[];
};

/** Metrics that somebody else counts: asked for their values when a scraper comes. */
export type Readings = readonly (NumberReading | HistogramReading)[];

/** What the node's metrics are read from; main.ts wires it, so that telemetry knows no engine. */
export type MetricsSource = {
  readonly gauges: readonly GaugeReading[];
  readonly role: () => string;
  readonly roles: readonly string[];
  readonly release: string;
};

export class Metrics {
  readonly #registry = new Registry();
  readonly #transfers: Counter<'outcome'>;
  readonly #entries: Counter;
  readonly #entryBytes: Counter;
  readonly #appendSeconds: Histogram;
  readonly #entryCommands: Histogram;
  readonly #roleChanges: Counter<'to'>;

  constructor(source: MetricsSource) {
    const registers = [this.#registry];
    this.#transfers = new Counter({
      name: 'holdfast_transfers_total',
      help: 'Transfers answered since start, by outcome: created, exists, refused.',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of ['created', 'exists', 'refused']) this.#transfers.inc({ outcome }, 0);
    this.#entries = new Counter({
      name: 'holdfast_journal_entries_total',
      help: 'Entries made durable since start.',
      registers,
    });
    this.#entryBytes = new Counter({
      name: 'holdfast_journal_bytes_total',
      help: 'Bytes of entries made durable since start.',
      registers,
    });
    this.#appendSeconds = new Histogram({
      name: 'holdfast_journal_append_duration_seconds',
      help: 'From handing an entry to the journal until it is durable.',
      buckets: [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1],
      registers,
    });
    this.#entryCommands = new Histogram({
      name: 'holdfast_journal_entry_commands',
      help: 'Commands in one entry: how well group commit works.',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
      registers,
    });
    this.#roleChanges = new Counter({
      name: 'holdfast_node_role_changes_total',
      help: 'Changes of role since start, by the role that came.',
      labelNames: ['to'],
      registers,
    });
    for (const to of source.roles) this.#roleChanges.inc({ to }, 0);
    this.#registerReadings(source);
    collectDefaultMetrics({ register: this.#registry });
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  add(readings: Readings): void {
    for (const reading of readings) {
      const metric =
        reading.type === 'histogram' ? new ReadHistogram(reading) : readNumbers(reading);
      this.#registry.registerMetric(metric);
    }
  }

  roleChanged(to: string): void {
    this.#roleChanges.inc({ to });
  }

  appended(entryBytes: number, commandCount: number, durationMs: number): void {
    this.#entries.inc();
    this.#entryBytes.inc(entryBytes);
    this.#appendSeconds.observe(durationMs / 1000);
    this.#entryCommands.observe(commandCount);
  }

  transfersAnswered(count: {
    readonly created: number;
    readonly exists: number;
    readonly refused: number;
  }): void {
    if (count.created > 0) this.#transfers.inc({ outcome: 'created' }, count.created);
    if (count.exists > 0) this.#transfers.inc({ outcome: 'exists' }, count.exists);
    if (count.refused > 0) this.#transfers.inc({ outcome: 'refused' }, count.refused);
  }

  #registerReadings(source: MetricsSource): void {
    this.add(
      source.gauges.map(({ name, help, read }) => ({
        type: name.endsWith('_total') ? 'counter' : 'gauge',
        name,
        help,
        read: () => [{ labels: {}, value: read() }],
      })),
    );
    this.#registry.registerMetric(
      new Gauge({
        name: 'holdfast_node_role',
        help: 'The role of this node: 1 for the one that it has, 0 for the others.',
        labelNames: ['role'],
        registers: [],
        collect() {
          const current = source.role();
          for (const role of source.roles) this.set({ role }, role === current ? 1 : 0);
        },
      }),
    );
    const buildInfo = new Gauge({
      name: 'holdfast_build_info',
      help: 'Always 1; the labels say what runs.',
      labelNames: ['version', 'node'],
      registers: [],
    });
    buildInfo.set({ version: source.release, node: process.versions.node }, 1);
    this.#registry.registerMetric(buildInfo);
  }
}

function readNumbers({
  type,
  name,
  help,
  labelNames = [],
  read,
}: NumberReading): Gauge<string> | Counter<string> {
  const settings = { name, help, labelNames: [...labelNames], registers: [] };
  if (type === 'gauge') {
    const collect = function (this: Gauge<string>): void {
      // What was there at the last scrape may be there no more (a peer).
      if (labelNames.length > 0) this.reset();
      for (const { labels, value } of read()) this.set(labels, value);
    };
    return new Gauge<string>({ ...settings, collect });
  }
  const collect = function (this: Counter<string>): void {
    this.reset();
    for (const { labels, value } of read()) this.inc(labels, value);
  };
  return new Counter<string>({ ...settings, collect });
}

/** The library's histogram counts by itself and cannot be told what somebody else has counted. */
class ReadHistogram extends Histogram<string> {
  readonly #reading: HistogramReading;

  constructor(reading: HistogramReading) {
    const { name, help, labelNames = [], bounds } = reading;
    super({ name, help, labelNames: [...labelNames], buckets: [...bounds], registers: [] });
    this.#reading = reading;
  }

  /** What the registry asks, and the library's own `get` too. */
  async getForPromString(): Promise<object> {
    const { name, help, bounds, read } = this.#reading;
    const values = read().flatMap(({ labels, counts, sum }) => {
      let count = 0;
      const buckets = Array.from(counts, (value, index) => {
        count += value;
        const le = bounds[index] ?? '+Inf';
        return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
      });
      return [
        ...buckets,
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    });
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  }
}
