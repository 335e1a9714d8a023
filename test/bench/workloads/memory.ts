// Many accounts: what one takes, and what they do to the speed of the kernel and of the whole path.

import { fileURLToPath } from 'node:url';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { loadUniform } from '../support/batch-load.ts';
import { BenchNode, openAccounts } from '../support/bench-node.ts';
import { checkBooks } from '../support/books-check.ts';
import { ChildProgram } from '../support/child-program.ts';
import type { KernelMemory } from '../support/memory-process.ts';
import { cpuSeconds, residentBytes } from '../support/process-figures.ts';
import { rounded } from '../support/samples.ts';
import { count, rate, ratio } from '../support/texts.ts';
import type { Budget, Report, Surroundings, Workload } from '../support/workload.ts';

const PROGRAM = fileURLToPath(new URL('../support/memory-process.ts', import.meta.url));
/** Below, what the process takes for itself hides the accounts. */
const TELLING_ACCOUNTS_MIN = 1_000_000;

export const memoryWorkload: Workload = {
  name: 'memory',
  summary: 'accounts from 10 k to 10 M: bytes of each, and the speed of kernel and door',
  options: {
    accounts: {
      kind: 'counts',
      fallback: [10_000, 100_000, 1_000_000, 10_000_000],
      min: 2,
      text: 'accounts; the first is what the others are compared with',
    },
    transfers: { kind: 'count', fallback: 2_000_000, min: 1, text: 'transfers at each' },
  },
  run,
};

type Size = {
  readonly accounts: number;
  readonly kernelBytesPerAccount: number;
  readonly arrayBytesPerAccount: number;
  readonly nodeBytesPerAccount: number;
  readonly applyPerSecond: number;
  readonly applyCpuNs: number;
  readonly doorPerSecond: number;
  readonly doorCpuNs: number;
};

async function run({ settings, parentFolder, tell }: Surroundings): Promise<Report> {
  const transfers = settings.count('transfers');
  const sizes: Size[] = [];
  for (const accounts of settings.counts('accounts')) {
    tell(`${count(accounts)} accounts`);
    const kernel = await measureKernel(accounts, transfers);
    const door = await measureDoor(parentFolder, accounts, transfers);
    const size = {
      accounts,
      kernelBytesPerAccount: rounded(kernel.accountsBytes / accounts, 1),
      arrayBytesPerAccount: rounded(kernel.arrayBytes / accounts, 1),
      nodeBytesPerAccount: rounded(door.accountsBytes / accounts, 1),
      applyPerSecond: kernel.applyPerSecond,
      applyCpuNs: kernel.cpuNsPerTransfer,
      doorPerSecond: door.perSecond,
      doorCpuNs: door.cpuNsPerTransfer,
    };
    tell(JSON.stringify(size));
    sizes.push(size);
  }
  return reportOf(sizes, transfers);
}

async function measureKernel(accounts: number, transfers: number): Promise<KernelMemory> {
  const words = ['--expose-gc', PROGRAM, String(accounts), String(transfers)];
  await using program = new ChildProgram(process.execPath, words);
  return JSON.parse(await program.firstLine) as KernelMemory;
}

async function measureDoor(parentFolder: string, accounts: number, transfers: number) {
  await using folder = await TemporaryFolder.make(parentFolder);
  await using node = await BenchNode.start({ data: folder.path });
  await using client = node.binaryClient();
  const before = residentBytes(node.pid);
  await openAccounts(client, { count: accounts });
  const accountsBytes = residentBytes(node.pid) - before;
  const cpuBefore = cpuSeconds(node.pid);
  const { stream, load } = await loadUniform({ client, accounts, transfers });
  const cpuTaken = cpuSeconds(node.pid).allThreads - cpuBefore.allThreads;
  await checkBooks(client, stream.expected);
  return {
    accountsBytes,
    perSecond: Math.round(transfers / load.seconds),
    cpuNsPerTransfer: Math.round((cpuTaken / transfers) * 1e9),
  };
}

function reportOf(sizes: readonly Size[], transfers: number): Report {
  const first = sizes[0]!;
  const relative = sizes.map((size) => ({
    ...size,
    applyToFirst: rounded(size.applyPerSecond / first.applyPerSecond, 3),
    doorToFirst: rounded(size.doorPerSecond / first.doorPerSecond, 3),
  }));
  return {
    method: [
      `${transfers} posted transfers over all accounts alike, at each number of accounts, in requests of 8,189.`,
      'Kernel: a process of its own; bytes are what its resident memory grew by while the accounts were opened, garbage collected before and after (arrays: what of it the arrays of the state are); then domain.apply on prepared requests.',
      'Door: a node with default settings; bytes are what its resident memory grew by (garbage of opening them included); then one closed-loop client over the binary protocol, durable. No warm-up.',
      'Afterwards the sums, and up to a million accounts each balance, are compared with what was sent.',
      `Below ${count(TELLING_ACCOUNTS_MIN)} accounts the process itself hides what they take: the budgets are on the most accounts.`,
    ],
    figures: { transfers, sizes: relative },
    tables: [
      {
        title: 'memory: accounts',
        columns: [
          'accounts',
          'kernel bytes',
          'arrays',
          'node bytes',
          'apply',
          'x first',
          'door',
          'x first',
        ],
        rows: relative.map((size) => [
          count(size.accounts),
          String(size.kernelBytesPerAccount),
          String(size.arrayBytesPerAccount),
          String(size.nodeBytesPerAccount),
          rate(size.applyPerSecond),
          ratio(size.applyToFirst),
          rate(size.doorPerSecond),
          ratio(size.doorToFirst),
        ]),
      },
    ],
    budgets: budgetsOf(relative),
  };
}

type RelativeSize = Size & { readonly applyToFirst: number; readonly doorToFirst: number };

function budgetsOf(sizes: readonly RelativeSize[]): Budget[] {
  const last = sizes.at(-1)!;
  const at = `at ${count(last.accounts)} accounts`;
  const isTelling = last.accounts >= TELLING_ACCOUNTS_MIN;
  const bytes = { bound: 'at most', limit: 200 } as const;
  return [
    {
      what: `kernel bytes an account ${at}`,
      ...bytes,
      figure: isTelling ? last.kernelBytesPerAccount : null,
    },
    {
      what: `node bytes an account ${at}`,
      ...bytes,
      figure: isTelling ? last.nodeBytesPerAccount : null,
    },
    { what: `apply ${at}`, bound: 'at least', limit: 0.8, figure: last.applyToFirst },
    { what: `door ${at}`, bound: 'at least', limit: 0.8, figure: last.doorToFirst },
  ];
}
