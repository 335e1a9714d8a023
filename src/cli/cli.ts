// The command line: `runCli` parses, runs one command and returns its exit code. Only the tree of
// commands is loaded here; what a command needs (HTTP, CSV, the domain) it imports when it runs.

import { Command, CommanderError } from 'commander';
import { releaseVersion } from '../config/release.ts';
import { addAccountCommands } from './commands/account.ts';
import { addCheckpointCommands } from './commands/checkpoint.ts';
import { addClusterCommands } from './commands/cluster.ts';
import { addEngineCommands } from './commands/engine.ts';
import { addHistoryCommands } from './commands/history.ts';
import { addImportCommand } from './commands/import.ts';
import { addJournalCommands } from './commands/journal.ts';
import { addLedgerCommands } from './commands/ledger.ts';
import { addPostingCommands } from './commands/posting.ts';
import { addReportCommands } from './commands/report.ts';
import { addStatusCommand } from './commands/status.ts';
import { addTransferCommands } from './commands/transfer.ts';
import { addExportCommands, addViewsCommands } from './commands/views.ts';
import { addUpCommand } from './commands/up.ts';
import { ExitCode } from './exit-codes.ts';
import { toFailure, usageFailure, writeFailure } from './failure.ts';
import { type Io, processIo } from './io.ts';
import type { Run } from './run.ts';

const EXAMPLES = `
Examples:
  $ holdfast up                                        start a node on ./holdfast-data
  $ holdfast account create --id 1 --currency EUR
  $ holdfast account create --id 2 --currency EUR
  $ holdfast transfer create --debit 1 --credit 2 --amount 12.50 --currency EUR
  $ holdfast account get 2
  $ holdfast journal verify                            check every byte of it, offline

Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 refused, 5 unavailable, 6 outcome unknown.
All of it: docs/reference/cli.md`;

/** `argv` as in `process.argv`: the first two are the program. */
export async function runCli(argv: readonly string[], io: Io = processIo()): Promise<number> {
  const state = { exitCode: ExitCode.ok as number };
  // The parser may stop before it has read --json; what it says would then be text for people.
  const isJson = argv.includes('--json');
  const world = isJson ? { ...io, stderr: { write: () => true } } : io;
  const program = makeProgram(world, (handler) => async (...parameters: unknown[]) => {
    const command = parameters.at(-1) as Command;
    const options = command.optsWithGlobals<never>();
    state.exitCode = await handler({ io, args: command.args, options });
  });
  try {
    if (argv.length <= 2) {
      program.outputHelp();
      return ExitCode.ok;
    }
    await program.parseAsync([...argv]);
    return state.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return ExitCode.ok;
    const isUsage = error instanceof CommanderError;
    if (isUsage && !isJson) return ExitCode.usage;
    const failure = isUsage ? usageFailure(usageText(error)) : toFailure(error);
    writeFailure(failure, io, { ...program.opts(), ...(isUsage && { json: true }) });
    return failure.exitCode;
  }
}

function usageText(error: CommanderError): string {
  if (error.code === 'commander.help') return 'A command is missing; --help shows them.';
  return error.message.replace(/^error: /, '');
}

/** The tree of commands; `run` decides what calling one does. */
export function makeProgram(io: Io, run: Run): Command {
  const program = new Command('holdfast');
  program
    .description('A payment core that keeps running when machines fail.')
    .version(releaseVersion())
    .option('--json', 'results as JSON on stdout')
    .option('--data <folder>', "the node's data folder (HOLDFAST_DATA; ./holdfast-data)")
    .option(
      '--url <url>',
      'the node to talk to (HOLDFAST_URL; what runs on the data folder); several: again or by comma',
      (url: string, before?: readonly string[]) => [...(before ?? []), url],
    )
    .option('--key-file <file>', 'file with the API key (HOLDFAST_API_KEY; <data>/api-key)')
    .option('--ca <file>', 'certificates (PEM) to trust for https (HOLDFAST_CA_FILE)')
    .option('--deadline <seconds>', 'how long to go on trying (10)')
    .option('--no-color', 'no colours (also NO_COLOR)')
    .addHelpText('after', EXAMPLES)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride();
  addUpCommand(program, run);
  addStatusCommand(program, run);
  addClusterCommands(program, run);
  addAccountCommands(program, run);
  addTransferCommands(program, run);
  addPostingCommands(program, run);
  addLedgerCommands(program, run);
  addJournalCommands(program, run);
  addCheckpointCommands(program, run);
  addEngineCommands(program, run);
  addHistoryCommands(program, run);
  addViewsCommands(program, run);
  addReportCommands(program, run);
  addExportCommands(program, run);
  addImportCommand(program, run);
  return program;
}
