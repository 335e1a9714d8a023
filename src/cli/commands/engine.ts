// `holdfast engine status|plan-promote|promote|rejoin`: the members of the journal's engine, and
// the guided promotion of one of them by hand. It talks to the engine, never to a node.

import type { Command } from 'commander';
import type { EngineOptions, PromoteOptions, RejoinOptions } from '../engine-options.ts';
import type { Run } from '../run.ts';

const WISHES = [
  ['--to <member>', 'the member to promote, host:port; the one that is ahead'],
  ['--quorum <count>', 'how many standbys each append was acknowledged by, on your word (1)'],
] as const;

export function addEngineCommands(program: Command, run: Run): void {
  const group = program
    .command('engine')
    .description("the journal's engine: its members, and the promotion of one of them by hand");
  withPlace(group.command('status'))
    .description('every member with its role, term and head; exit code 5 without a primary')
    .action(
      run<EngineOptions>(async (call) => (await import('../engine-promotion.ts')).status(call)),
    );
  withWishes(withPlace(group.command('plan-promote')))
    .description('what promote would do, statement by statement; changes nothing')
    .action(
      run<PromoteOptions>(async (call) => (await import('../engine-promotion.ts')).plan(call)),
    );
  withWishes(withPlace(group.command('promote')))
    .description('promote a member, after everything that may be acknowledged has been read')
    .option('--yes', 'do it without asking')
    .action(
      run<PromoteOptions>(async (call) => (await import('../engine-promotion.ts')).promote(call)),
    );
  withPlace(group.command('rejoin'))
    .argument('<member>', 'host:port')
    .description('make a standby of an old primary, under the current term')
    .option('--data-folder <folder>', "the member's data, on this machine; it must be stopped")
    .option('--bin-folder <folder>', "where the engine's programs are (those on PATH)")
    .option('--label <name>', 'the name under which it acknowledges')
    .option('--yes', 'do it without asking')
    .action(run<RejoinOptions>(async (call) => (await import('../engine-rejoin.ts')).rejoin(call)));
}

function withPlace(command: Command): Command {
  return command
    .option('--journal <place>', 'engine://user@host:port,.../name (HOLDFAST_JOURNAL)')
    .option('--user <name>', "a superuser of the engine (the place's)")
    .option('--password-file <file>', "file with that user's password")
    .option('--replication-password-file <file>', 'file with the password that standbys follow by')
    .option('--patroni-port <port>', 'ask each member there for Patroni, too (8008)');
}

function withWishes(command: Command): Command {
  for (const [flags, text] of WISHES) command.option(flags, text);
  return command;
}
