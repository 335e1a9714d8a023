// `holdfast up`: runs a node in this process until it is stopped (the wiring is main.ts's), or
// several as child processes.

import { type Command, Option } from 'commander';
import type { Run } from '../run.ts';

type UpOptions = {
  readonly host?: string;
  readonly port?: string;
  readonly binaryPort?: string;
  readonly peerPort?: string;
  readonly node?: string;
  readonly nodes?: string;
  readonly journal?: string;
  readonly journalPasswordFile?: string;
  readonly supervised?: boolean;
};

const MORE = `
The node prints its URL and where its key is. Ctrl-C stops it: requests under way finish.
With --json the first line is {"event":"ready","url":...,"binary_url":...,"pid":...}.
With --nodes they are several on this machine; when one is killed the others go on, and it is
started again. Node i listens on --port + 10 (i - 1), and on the two ports after it.
Everything else is set by HOLDFAST_... variables: docs/reference/cli.md.`;

export function addUpCommand(program: Command, run: Run): void {
  program
    .command('up')
    .description('start a node: its data in ./holdfast-data unless --data says otherwise')
    .option('--host <address>', 'address to listen on (HOLDFAST_HOST; 127.0.0.1)')
    .option('--port <number>', 'port to listen on; 0 = any free one (HOLDFAST_PORT; 7400)')
    .option(
      '--binary-port <number>',
      'port of the binary protocol; 0 = any free one (HOLDFAST_BINARY_PORT; 7401)',
    )
    .option('--nodes <count>', 'start so many nodes of one cluster on this machine, 1 to 9')
    .option('--node <name>', 'name of this node in its cluster; none = alone (HOLDFAST_NODE)')
    .option(
      '--peer-port <number>',
      'port of the channel between nodes; 0 = any free one (HOLDFAST_PEER_PORT; 7402)',
    )
    .option('--journal <place>', 'where the journal is (HOLDFAST_JOURNAL; file)')
    .option(
      '--journal-password-file <file>',
      "with the password of the journal's engine (HOLDFAST_JOURNAL_PASSWORD_FILE)",
    )
    .addOption(new Option('--supervised', 'end with standard input').hideHelp())
    .addHelpText('after', MORE)
    .action(
      run<UpOptions>(async ({ io, options }) => {
        const { data: dataFolder, host, port, binaryPort, peerPort, node } = options;
        const { journal, journalPasswordFile, nodes, json = false } = options;
        const ports = { port, binaryPort, peerPort };
        const settings = { dataFolder, host, ...ports, node, journal, journalPasswordFile };
        const supervised = options.supervised === true;
        if (nodes === undefined) {
          const { up } = await import('../../main.ts');
          return up({ settings, json, supervised });
        }
        const { runNodes } = await import('../supervisor/run-nodes.ts');
        return runNodes({ io, count: nodes, settings, json, supervised });
      }),
    );
}
