// `holdfast cluster switchover`: a planned hand-over of the leadership. It says first what will
// happen, and asks where there is somebody to ask.

import type { Command } from 'commander';
import { type Cluster, type Member, figure, readCluster, textOf } from '../cluster-view.ts';
import { connect } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { CliFailure, toFailure, usageFailure } from '../failure.ts';
import type { GlobalOptions, Io } from '../io.ts';
import { Output } from '../output.ts';
import type { Run } from '../run.ts';

type Client = Awaited<ReturnType<typeof connect>>;

type SwitchoverOptions = {
  readonly to?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
};

type Plan = { readonly from: Member; readonly to: Member };

export function addSwitchoverCommand(group: Command, run: Run): void {
  group
    .command('switchover')
    .description('hand the leadership over; payments pause for some milliseconds')
    .option('--to <name>', 'who leads then (the standby that is furthest)')
    .option('--yes', 'do not ask')
    .option('-n, --dry-run', 'only say what would happen')
    .action(run<SwitchoverOptions>(({ io, options }) => switchOver(io, options)));
}

async function switchOver(io: Io, options: SwitchoverOptions & GlobalOptions): Promise<number> {
  const output = new Output(io, options);
  await using client = await connect(io, options);
  const plan = planOf(readCluster(await client.cluster.view()), options.to);
  if (options.dryRun === true) return tellPlan(output, plan);
  if (!output.isJson) output.note(planText(plan));
  await confirm(io, options);
  try {
    const done = await client.cluster.switchover(plan.to.name);
    if (output.isJson) output.json(done);
    else {
      output.line(
        `${textOf(done['to'])} leads, epoch ${textOf(done['epoch'])}; it took ${textOf(done['took_ms'])} ms`,
      );
    }
    return ExitCode.ok;
  } catch (error) {
    const leader = await leaderNow(client);
    if (leader?.name !== plan.to.name) throw whatBecameOf(error, plan);
    // The answer was lost, and what was asked again was refused: it leads already.
    const { name, epoch } = leader;
    if (output.isJson) output.json({ from: plan.from.name, to: name, epoch, took_ms: null });
    else output.line(`${name} leads, epoch ${figure(epoch)}`);
    return ExitCode.ok;
  }
}

/** Undefined also where nobody can say. */
async function leaderNow(client: Client): Promise<Member | undefined> {
  try {
    return readCluster(await client.cluster.view()).leader;
  } catch {
    return undefined;
  }
}

function tellPlan(output: Output, plan: Plan): number {
  const { from, to } = plan;
  if (output.isJson)
    output.json({ dry_run: true, from: from.name, to: to.name, lag: to.lag ?? null });
  else output.line(planText(plan));
  return ExitCode.ok;
}

function planText({ from, to }: Plan): string {
  return (
    `${from.name} (leader, epoch ${figure(from.epoch)}, position ${figure(from.position)}) hands over to ` +
    `${to.name} (${to.state}, lag ${figure(to.lag)}). Payments pause for some milliseconds; none fails.`
  );
}

/** The node decides; refused here is only what it could not even be asked. */
function planOf({ leader, members }: Cluster, target: string | undefined): Plan {
  if (leader === undefined) throw refused('Nobody leads now, so nobody can hand over.');
  const standbys = members.filter((member) => member !== leader);
  if (target === undefined) {
    const [furthest] = standbys
      .filter(({ role, state }) => role === 'standby' && state === 'running')
      .sort((one, other) => (one.lag ?? Infinity) - (other.lag ?? Infinity));
    if (furthest === undefined) throw refused('There is no standby that could take over.');
    return { from: leader, to: furthest };
  }
  const to = members.find(({ name }) => name === target);
  if (to === leader) throw refused(`${target} leads already.`);
  if (to !== undefined) return { from: leader, to };
  const names = standbys.map(({ name }) => name).join(', ');
  throw refused(`There is no member ${target}; standbys are ${names === '' ? 'none' : names}.`);
}

function refused(message: string): CliFailure {
  return new CliFailure({
    exitCode: ExitCode.refused,
    code: 'switchover_refused',
    message,
    money: 'Nothing was asked of the cluster; payments go on as before.',
    action: 'See `holdfast cluster status`.',
  });
}

async function confirm(io: Io, { yes, json }: SwitchoverOptions & GlobalOptions): Promise<void> {
  if (yes === true) return;
  if (io.ask === undefined || json === true) {
    throw usageFailure('Nobody is here to be asked.', 'Say --yes, or --dry-run to look only.');
  }
  const answer = await io.ask('Go on? [y/N] ');
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new CliFailure({
    exitCode: ExitCode.refused,
    code: 'not_confirmed',
    message: 'It was not confirmed.',
    money: 'Nothing was asked of the cluster; payments go on as before.',
  });
}

/** Who asked and heard nothing must not conclude that nothing happened. */
function whatBecameOf(error: unknown, { to }: Plan): CliFailure {
  const failure = toFailure(error);
  if (failure.exitCode !== ExitCode.outcomeUnknown) return failure;
  const { exitCode, code, message } = failure;
  return new CliFailure(
    {
      exitCode,
      code,
      message,
      money: 'No payment is lost by it, whoever leads now.',
      action: `See \`holdfast cluster status\`: where ${to.name} does not lead, ask again.`,
    },
    error,
  );
}
