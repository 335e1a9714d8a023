// The course of the demo: start, open accounts, pay, strike, stop, compare, report.

import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../src/client/http-client.ts';
import { compareBooks, openAccounts } from './books.ts';
import { type ClusterEvent, DemoCluster } from './cluster.ts';
import { type Door, Payments, payersOf } from './payments.ts';
import { pausesOf, percentile } from './pauses.ts';
import type { Screen } from './screen.ts';

export type DemoOptions = {
  readonly blow: 'kill' | 'switchover';
  readonly blows: number;
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly nodes: number;
  readonly door: Door;
  readonly settings: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly screen: Screen;
};

export type Report = {
  readonly acknowledged: number;
  readonly unknown: number;
  readonly unknownDone: number;
  readonly lost: number;
  readonly doubled: number;
  readonly wrongBalances: number;
  readonly clientErrors: number;
  readonly errors: readonly string[];
  readonly kills: number;
  readonly switchovers: number;
  readonly pauseMsP50: number;
  readonly pauseMsP99: number;
  readonly pauseMsMax: number;
  /** One for each kill or hand-over, in order. */
  readonly pausesMs: readonly number[];
  /** The longest time between two acknowledgements of the whole run, blows or not. */
  readonly gapMsMax: number;
  readonly ratePerSecond: number;
  readonly seconds: number;
};

/** After a blow all is well again for so long before the next one. */
const CALM_MS_MIN = 1000;
/** Nodes that have just started compile what they do: the first blow falls when they know it. */
const WARM_UP_MS = 5000;
const HAND_OVER_TRIES = 10;

export async function runDemo(options: DemoOptions): Promise<Report> {
  const { folder, nodes, settings, screen } = options;
  const onEvent = (event: ClusterEvent): void => tell(event, screen);
  await using cluster = new DemoCluster({ folder, nodes, settings, onEvent });
  await cluster.ready();
  const key = await cluster.key();
  await openAccounts(cluster.nodes[0]!, key);
  const payments = new Payments(payersOf(cluster.nodes, key, options.door), options.ratePerSecond);
  const startMs = performance.now();
  payments.start();
  const ticker = new Ticker(payments, screen);
  const blows: number[] = [];
  try {
    await sleep(WARM_UP_MS);
    await strike(options, { cluster, key, blows, startMs });
    const restMs = options.seconds * 1000 - (performance.now() - startMs);
    await sleep(Math.max(CALM_MS_MIN, restMs));
  } finally {
    ticker.stop();
    await payments.stop();
  }
  const seconds = (performance.now() - startMs) / 1000;
  screen.line('payments have stopped; the books are compared');
  await cluster.settled();
  const verdict = await compareBooks(cluster.nodes, key, payments);
  await payments.close();
  return reportOf(options, { payments, blows, seconds, verdict });
}

type Striking = {
  readonly cluster: DemoCluster;
  readonly key: string;
  /** When each blow fell. */
  readonly blows: number[];
  readonly startMs: number;
};

async function strike(options: DemoOptions, striking: Striking): Promise<void> {
  const { cluster, blows, startMs } = striking;
  const periodMs = (options.seconds * 1000 - WARM_UP_MS) / Math.max(1, options.blows);
  for (let blow = 0; blow < options.blows; blow++) {
    const dueMs = startMs + WARM_UP_MS + blow * periodMs;
    const { epoch } = await cluster.settled();
    // Not always at the same moment of whatever the nodes do now and then.
    const waitMs = Math.max(CALM_MS_MIN, dueMs - performance.now()) + Math.random() * 200;
    await sleep(waitMs);
    const count = `${blow + 1} of ${options.blows}`;
    if (options.blow === 'kill') {
      blows.push(performance.now());
      const { node, pid } = await cluster.killLeader();
      options.screen.line(`kill ${count}: ${node} (pid ${pid}), which leads`);
      await cluster.leaderAfter(epoch);
    } else await handOver(options, striking, count);
  }
  await cluster.settled();
}

/** Refused while somebody is too far behind, for instance: then it is asked again. */
async function handOver(options: DemoOptions, striking: Striking, count: string): Promise<void> {
  const { cluster, key, blows } = striking;
  for (let attempt = 1; ; attempt++) {
    const { node, epoch } = await cluster.settled();
    const target = cluster.nodes.filter((other) => other !== node)[epoch % (options.nodes - 1)]!;
    await using client = createClient({ url: node.url, key, deadlineMs: 30_000 });
    const askedMs = performance.now();
    try {
      const { took_ms: tookMs } = await client.cluster.switchover(target.node);
      blows.push(askedMs);
      const took = `${Math.round(Number(tookMs))} ms by the nodes' clocks`;
      options.screen.line(`hand-over ${count}: ${node.node} to ${target.node}, ${took}`);
      await cluster.leaderAfter(epoch);
      return;
    } catch (error) {
      if (attempt === HAND_OVER_TRIES) throw error;
      options.screen.line(`hand-over ${count} is asked again: ${String(error)}`);
      await sleep(CALM_MS_MIN);
    }
  }
}

function tell(event: ClusterEvent, screen: Screen): void {
  const { node, epoch, without_leader_ms: withoutMs } = event;
  if (event.event === 'leader') {
    const after = withoutMs === undefined ? '' : `, ${withoutMs} ms without a leader`;
    screen.line(`${node} leads, epoch ${epoch}${after}`);
  } else if (event.event === 'node_back') screen.line(`${node} is back`);
  else if (event.event === 'node_lost') {
    screen.line(`${node} is lost (${event.signal ?? `exit ${event.exit_code}`})`);
  }
}

/** A line each second. */
class Ticker {
  readonly #payments: Payments;
  readonly #screen: Screen;
  readonly #timer: NodeJS.Timeout;
  #toldCount = 0;
  #toldMs = performance.now();

  constructor(payments: Payments, screen: Screen) {
    this.#payments = payments;
    this.#screen = screen;
    this.#timer = setInterval(() => this.#tick(), 1000);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const { answeredMs, acknowledged, unknown, waiting, errors } = this.#payments;
    const nowMs = performance.now();
    const rate = ((answeredMs.length - this.#toldCount) * 1000) / (nowMs - this.#toldMs);
    let gapMs = 0;
    for (let i = Math.max(1, this.#toldCount); i < answeredMs.length; i++) {
      gapMs = Math.max(gapMs, answeredMs[i]! - answeredMs[i - 1]!);
    }
    this.#toldCount = answeredMs.length;
    this.#toldMs = nowMs;
    const failed = [...errors.values()].reduce((sum, count) => sum + count, 0);
    this.#screen.line(
      `${Math.round(rate)}/s  ${acknowledged.size} acknowledged, ${waiting.size} waiting, ` +
        `${unknown.size} unknown, ${failed} errors, longest pause ${gapMs.toFixed(0)} ms`,
    );
  }
}

type Ending = {
  readonly payments: Payments;
  readonly blows: readonly number[];
  readonly seconds: number;
  readonly verdict: Awaited<ReturnType<typeof compareBooks>>;
};

function reportOf({ blow }: DemoOptions, { payments, blows, seconds, verdict }: Ending): Report {
  const { answeredMs, acknowledged, unknown, errors } = payments;
  const pauses = pausesOf(answeredMs, blows).map((ms) => Math.round(ms * 10) / 10);
  const [gapMsMax = 0] = pausesOf(answeredMs, answeredMs.slice(0, 1));
  const { lost, doubled, unknownDone, wrongBalances } = verdict;
  return {
    acknowledged: acknowledged.size,
    unknown: unknown.size,
    unknownDone,
    lost,
    doubled,
    wrongBalances,
    clientErrors: [...errors.values()].reduce((sum, count) => sum + count, 0),
    errors: [...errors].map(([text, count]) => `${count} x ${text}`),
    kills: blow === 'kill' ? blows.length : 0,
    switchovers: blow === 'switchover' ? blows.length : 0,
    pauseMsP50: percentile(pauses, 0.5),
    pauseMsP99: percentile(pauses, 0.99),
    pauseMsMax: percentile(pauses, 1),
    pausesMs: pauses,
    gapMsMax: Math.round(gapMsMax * 10) / 10,
    ratePerSecond: Math.round(acknowledged.size / seconds),
    seconds: Math.round(seconds),
  };
}

export function isClean({ lost, doubled, wrongBalances, clientErrors, unknown }: Report): boolean {
  return lost + doubled + wrongBalances + clientErrors + unknown === 0;
}

export function formatReport(report: Report): string {
  const blows = report.kills > 0 ? `${report.kills} kills` : `${report.switchovers} hand-overs`;
  const rows: [string, string][] = [
    ['acknowledged', `${report.acknowledged} (${report.ratePerSecond}/s for ${report.seconds} s)`],
    ['lost', String(report.lost)],
    ['doubled', String(report.doubled)],
    ['wrong balances', String(report.wrongBalances)],
    ['unknown', `${report.unknown} (${report.unknownDone} of them happened)`],
    ['client errors', [String(report.clientErrors), ...report.errors].join('\n  ')],
    [
      `pauses, ${blows}`,
      `p50 ${report.pauseMsP50} ms, p99 ${report.pauseMsP99} ms, max ${report.pauseMsMax} ms`,
    ],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(24)}${value}\n`);
  const verdict = isClean(report) ? 'Nothing was lost, doubled or failed.' : 'NOT CLEAN.';
  return `\n${lines.join('')}\n${verdict}\n`;
}
