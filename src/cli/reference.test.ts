import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Command } from 'commander';
import { SETTINGS } from '../config/config.ts';
import { makeProgram } from './cli.ts';
import { ExitCode } from './exit-codes.ts';
import { processIo } from './io.ts';

const REFERENCE = new URL('../../docs/reference/cli.md', import.meta.url);

type Leaf = { readonly heading: string; readonly options: readonly string[] };

function leavesOf(command: Command, path: readonly string[]): Leaf[] {
  if (command.commands.length > 0) {
    return command.commands.flatMap((child) => leavesOf(child, [...path, child.name()]));
  }
  const parameters = command.registeredArguments.map((argument) =>
    argument.variadic ? `<${argument.name()}...>` : `<${argument.name()}>`,
  );
  const heading = ['holdfast', ...path, ...parameters].join(' ');
  return [{ heading, options: command.options.map((option) => option.flags) }];
}

test('the reference has a section for every command, naming every option, and no other', async () => {
  const text = await readFile(REFERENCE, 'utf8');
  const program = makeProgram(processIo(), () => async () => undefined);
  const leaves = leavesOf(program, []);
  const sections = new Map(
    text
      .split(/^### /m)
      .slice(1)
      .map((section) => [/^`(.*)`$/m.exec(section)?.[1] ?? '', section]),
  );
  assert.deepEqual([...sections.keys()].sort(), leaves.map((leaf) => leaf.heading).sort());
  for (const { heading, options } of leaves) {
    for (const option of options) {
      assert.ok(sections.get(heading)?.includes(`\`${option}\``), `${heading}: ${option}`);
    }
  }
  for (const option of program.options.filter((item) => item.long !== '--version')) {
    assert.ok(text.includes(`\`${option.flags}\``), option.flags);
  }
});

test('the reference has every setting of a node with its default and its meaning', async () => {
  const text = await readFile(REFERENCE, 'utf8');
  const rows = text.match(/^\| `HOLDFAST_[A-Z_]+` \| [^|]* \| [^|]* \|$/gm);
  const expected = Object.values(SETTINGS).map(({ env, fallback, text: meaning }) => {
    return `| \`${env}\` | ${fallback === '' ? 'none' : `\`${fallback}\``} | ${meaning} |`;
  });
  assert.deepEqual(rows, expected);
});

test('the reference has every exit code', async () => {
  const text = await readFile(REFERENCE, 'utf8');
  for (const code of Object.values(ExitCode))
    assert.match(text, new RegExp(`^\\| ${code} \\|`, 'm'));
});
