// Every workload of `npm run bench` at its smallest: it runs, its books are right and its one line
// of JSON holds what docs/benchmarks.md says. How fast it was is never asked here.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bench } from './main.ts';

// Nodes and kernels of a few transfers need not take a gigabyte ahead.
process.env['HOLDFAST_MEMORY_AHEAD'] = 'none';

const EXIT_MISSED = 1;
const EXIT_REFUSED = 2;

type Ended = { readonly exitCode: number; readonly printed: string; readonly told: string };
type Figures = { readonly [name: string]: unknown };

async function run(...words: readonly string[]): Promise<Ended> {
  let printed = '';
  let told = '';
  const exitCode = await bench(words, {
    print: (text) => (printed += `${text}\n`),
    tell: (line) => (told += `${line}\n`),
  });
  return { exitCode, printed, told };
}

async function figuresOf(workload: string, ...words: readonly string[]): Promise<Figures> {
  const { exitCode, printed, told } = await run('--workload', workload, '--json', ...words);
  assert.equal(exitCode, 0, told);
  assert.equal(printed.trimEnd().split('\n').length, 1, 'one line');
  const figures = JSON.parse(printed) as Figures;
  assert.equal(figures['workload'], workload);
  const { cpu, cores, quiet } = figures['machine'] as Figures;
  assert.deepEqual([typeof cpu, typeof cores, typeof quiet], ['string', 'number', 'boolean']);
  assert.ok((figures['method'] as string[]).every((sentence) => sentence.endsWith('.')));
  return figures;
}

function positive(figures: Figures, ...names: readonly string[]): void {
  for (const name of names) {
    const value = figures[name];
    assert.ok(typeof value === 'number' && value > 0, `${name} is ${String(value)}`);
  }
}

function rising(...values: readonly unknown[]): void {
  const numbers = values.map(Number);
  assert.ok(numbers.every((value, index) => index === 0 || value >= numbers[index - 1]!));
}

describe('npm run bench', { concurrency: 2 }, () => {
  test('tb loads, compares the books and tells every figure', async () => {
    const figures = await figuresOf('tb', '--transfers', '20000', '--accounts', '100');
    assert.equal(figures['transfers'], 20_000);
    positive(figures, 'transfersPerSecond', 'batchMsP1', 'batchMsP50', 'batchMsP99', 'batchMsMax');
    rising(...['P1', 'P50', 'P99', 'Max'].map((name) => figures[`batchMs${name}`]));
    positive(figures, 'residentBytes', 'bytesOnDisk', 'rawWritePerSecond');
    positive(figures, 'rawWriteBytesPerSecond');
    // Too few for what is measured at 2 M.
    assert.equal(figures['transfersPerSecondFirst2M'], null);
    assert.equal(figures['residentBytesAt2M'], null);
    assert.ok(Number(figures['bytesOnDisk']) > 20_000 * 128);
    assert.equal(figures['queries'], 100);
    rising(...['P1', 'P50', 'P99', 'Max'].map((name) => figures[`queryMs${name}`]));
  });

  test('tb holds, posts and voids until nothing is held, and asks nothing if told so', async () => {
    const hot = ['--pending', '--distribution', 'hot', '--accounts', '50'];
    const figures = await figuresOf('tb', '--transfers', '20001', '--queries', '0', ...hot);
    assert.deepEqual([figures['pending'], figures['distribution']], [true, 'hot']);
    assert.equal(figures['queries'], 'none asked for');
    assert.ok(Object.keys(figures).every((name) => !name.startsWith('queryMs')));
  });

  test('single measures doors and echo with the same loops', async () => {
    const small = ['--seconds', '1', '--warm-seconds', '0', '--rounds', '1', '--transfers', '60'];
    const what = ['--clients', '4', '--patterns', 'hot-mix', '--peers', 'echo'];
    const figures = await figuresOf('single', '--doors', 'rest,gathered', ...small, ...what);
    const cells = figures['cells'] as readonly Figures[];
    assert.deepEqual(
      cells.map(({ subject }) => subject),
      ['rest', 'gathered', 'echo'],
    );
    for (const cell of cells) {
      assert.deepEqual([cell['pattern'], cell['clients']], ['hot-mix', 4]);
      positive(cell, 'perSecond', 'msP50', 'msP99', 'msMax');
      rising(cell['msP50'], cell['msP99'], cell['msMax']);
    }
    const ratios = figures['restToEcho'] as { readonly [clients: string]: Figures };
    positive(ratios['4']!, 'rate');
  });

  test('apply runs the kernel alone', async () => {
    const figures = await figuresOf('apply', '--transfers', '20000', '--accounts', '10');
    positive(figures, 'applyPerSecond', 'applyPerSecondBest');
    assert.equal((figures['windows'] as number[]).length, 5);
    rising(figures['applyPerSecond'], figures['applyPerSecondBest']);
  });

  test('views are written, and their trial balance is what was sent', async () => {
    const words = ['--transfers', '9000', '--accounts', '20', '--batch', '1000'];
    const figures = await figuresOf('views', ...words);
    positive(
      figures,
      'transfersPerSecond',
      'rowsPerSecond',
      'cpuNsPerTransfer',
      'bytesPerTransfer',
    );
  });

  test('replay applies the journal that a node wrote', async () => {
    const figures = await figuresOf('replay', '--transfers', '9000', '--accounts', '20');
    positive(figures, 'replayPerSecond', 'seconds', 'journalBytes');
  });

  test('memory compares numbers of accounts', async () => {
    const figures = await figuresOf('memory', '--accounts', '50,2000', '--transfers', '4000');
    const sizes = figures['sizes'] as readonly Figures[];
    assert.deepEqual(
      sizes.map(({ accounts }) => accounts),
      [50, 2000],
    );
    for (const size of sizes) positive(size, 'applyToFirst', 'doorToFirst', 'applyPerSecond');
  });

  test('restart has its first payment acknowledged after both endings', async () => {
    const figures = await figuresOf('restart', '--histories', '3000', '--rounds', '1');
    const sizes = figures['sizes'] as readonly Figures[];
    assert.deepEqual(
      sizes.map(({ history }) => history),
      [3000],
    );
    for (const size of sizes) positive(size, 'afterKillMs', 'afterStopMs');
  });

  test('checkpoint measures pauses with and without', async () => {
    const small = ['--accounts', '200', '--clients', '2', '--seconds', '1', '--warm-seconds', '0'];
    const figures = await figuresOf('checkpoint', ...small);
    positive(figures['during'] as Figures, 'checkpoints', 'pauseMsMax', 'eventLoopDelayMsMax');
    positive(figures['without'] as Figures, 'perSecond', 'pauseMsMax', 'eventLoopDelayMsMax');
  });

  test('cluster loads one node and three', async () => {
    const small = ['--clients', '6', '--seconds', '1', '--warm-seconds', '0', '--rounds', '1'];
    const figures = await figuresOf('cluster', ...small);
    const nodes = figures['nodes'] as readonly Figures[];
    assert.deepEqual(
      nodes.map(({ name }) => name),
      ['alone', 'cluster'],
    );
    for (const node of nodes) positive(node, 'perSecond', 'msP99', 'cpuUs', 'clientCpuUs');
    positive(figures, 'ratio');
  });

  test('a missed budget is an exit status only where it is asked for', async () => {
    const words = ['--workload', 'apply', '--transfers', '5', '--accounts', '2'];
    const { exitCode, printed, told } = await run(...words, '--budget');
    assert.equal(exitCode, EXIT_MISSED);
    assert.match(printed, /budget MISSED: applyPerSecond/);
    assert.match(told, /1 of 1 budgets missed/);
  });

  test('what it does not know is refused by its name', async () => {
    for (const [words, expected] of [
      [['--workload', 'nothing'], /no workload "nothing"/],
      [[], /Name a workload/],
      [['--workload', 'apply', '--pending'], /--pending/],
      [['--workload', 'tb', '--transfers', '1e6'], /--transfers wants a whole number/],
      [['--workload', 'tb', '--distribution', 'flat'], /--distribution knows uniform/],
      [['--workload', 'tb', '--folder', 'not/there'], /--folder not\/there is not there/],
      [['--workload', 'tb', '--pending', '--depth', '2'], /one request under way/],
      [['--workload', 'single', '--peers', 'sql', '--sql-ledger', 'no'], /no SQL ledger in no/],
    ] as const) {
      const { exitCode, printed, told } = await run(...words);
      assert.deepEqual([exitCode, printed], [EXIT_REFUSED, '']);
      assert.match(told, expected);
    }
  });

  test('--list and --help name every workload', async () => {
    const names = [
      'tb',
      'single',
      'apply',
      'replay',
      'memory',
      'checkpoint',
      'restart',
      'cluster',
      'views',
    ];
    const list = (await run('--list')).printed;
    const help = (await run('--help')).printed;
    assert.deepEqual(
      list
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')[0]),
      names,
    );
    for (const name of names) assert.match(help, new RegExp(`^  ${name}: `, 'm'));
  });
});
