// `holdfast cluster status|topology|history|pause|resume`: looks at the cluster and steers it,
// through any node of it. Handing over: cluster-switchover.ts.

import type { Command } from 'commander';
import type { JsonObject } from '../../client/wire.ts';
import { objectOf, readCluster, showCluster, showTopology, textOf } from '../cluster-view.ts';
import { connect } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { usageFailure } from '../failure.ts';
import type { GlobalOptions, Io } from '../io.ts';
import { Output } from '../output.ts';
import type { Run } from '../run.ts';
import { addSwitchoverCommand } from './cluster-switchover.ts';

type HistoryOptions = { readonly limit?: string };
type PauseOptions = { readonly reason: string };

const TERMS_DEFAULT = '20';
const TERMS_PATTERN = /^[1-9][0-9]{0,3}$/;
const TERMS_MAX = 1000;

const TERM_COLUMNS = [
  { title: 'epoch', isNumber: true },
  { title: 'position', isNumber: true },
  { title: 'opened' },
  { title: 'node' },
  { title: 'release' },
  { title: 'why' },
] as const;

export function addClusterCommands(program: Command, run: Run): void {
  const group = program.command('cluster').description('who leads, who follows, who takes over');
  addViewCommands(group, run);
  addSwitchoverCommand(group, run);
  group
    .command('pause')
    .description('failover off, everywhere, until resume; payments go on')
    .requiredOption('--reason <text>', 'why, for everybody who looks')
    .action(
      run<PauseOptions>(({ io, options }) =>
        steer(io, options, (client) => client.pause(options.reason)),
      ),
    );
  group
    .command('resume')
    .description('failover on again')
    .action(run<object>(({ io, options }) => steer(io, options, (client) => client.resume())));
}

function addViewCommands(group: Command, run: Run): void {
  group
    .command('status')
    .description('every member with its role, state and lag; exit code 5 when nobody leads')
    .action(run<object>(({ io, options }) => look(io, options, showCluster)));
  group
    .command('topology')
    .description('the leader, and who follows it how closely')
    .action(run<object>(({ io, options }) => look(io, options, showTopology)));
  group
    .command('history')
    .description('who led when, and why it changed; newest first')
    .option('--limit <count>', `terms to show, 1 to ${TERMS_MAX} (${TERMS_DEFAULT})`)
    .action(
      run<HistoryOptions>(async ({ io, options }) => {
        const limit = readLimit(options.limit ?? TERMS_DEFAULT);
        const output = new Output(io, options);
        await using client = await connect(io, options);
        const listed = await client.cluster.history(limit);
        if (output.isJson) output.json(listed);
        else showTerms(output, listed);
        return ExitCode.ok;
      }),
    );
}

type Cluster = ReturnType<typeof readCluster>;

async function look(
  io: Io,
  options: GlobalOptions,
  show: (output: Output, cluster: Cluster) => void,
): Promise<number> {
  const output = new Output(io, options);
  await using client = await connect(io, options);
  const view = await client.cluster.view();
  const cluster = readCluster(view);
  if (output.isJson) output.json(view);
  else show(output, cluster);
  return cluster.leader === undefined ? ExitCode.unavailable : ExitCode.ok;
}

type ClusterClient = Awaited<ReturnType<typeof connect>>['cluster'];

async function steer(
  io: Io,
  options: GlobalOptions,
  act: (client: ClusterClient) => Promise<JsonObject>,
): Promise<number> {
  const output = new Output(io, options);
  await using client = await connect(io, options);
  const answer = await act(client.cluster);
  if (output.isJson) {
    output.json(answer);
    return ExitCode.ok;
  }
  const pause = objectOf(answer['pause']);
  const failover = objectOf(answer['failover']);
  output.pairs([
    ['paused', pause['paused'] === true ? `since ${textOf(pause['since'])}` : 'no'],
    ['failover', `${failover['on'] === true ? 'on' : 'OFF'}: ${textOf(failover['reason'])}`],
  ]);
  return ExitCode.ok;
}

function showTerms(output: Output, listed: JsonObject): void {
  const terms = (Array.isArray(listed['terms']) ? listed['terms'] : []) as readonly JsonObject[];
  output.table(
    TERM_COLUMNS,
    terms.map((term) =>
      ['epoch', 'position', 'time', 'node', 'release', 'reason'].map((name) => textOf(term[name])),
    ),
  );
}

function readLimit(text: string): number {
  const limit = TERMS_PATTERN.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= TERMS_MAX) return limit;
  throw usageFailure(`--limit ${text} is not a number from 1 to ${TERMS_MAX}.`);
}
