// `holdfast up`: runs a node in this process until it is stopped. The wiring is main.ts's.

import type { Command } from 'commander';
import type { Run } from '../run.ts';

type UpOptions = {
  readonly host?: string;
  readonly port?: string;
  readonly binaryPort?: string;
};

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
    .addHelpText(
      'after',
      '\nThe node prints its URL and where its key is. Ctrl-C stops it: requests under way finish.' +
        '\nWith --json the first line is {"event":"ready","url":...,"binary_url":...,"pid":...}.',
    )
    .action(
      run<UpOptions>(async ({ options }) => {
        const { data, host, port, binaryPort, json = false } = options;
        const { up } = await import('../../main.ts');
        return up({ settings: { dataFolder: data, host, port, binaryPort }, json });
      }),
    );
}
