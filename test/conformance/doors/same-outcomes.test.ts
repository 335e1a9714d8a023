// The same requests through HTTP, through the binary protocol and from the command line: the same
// outcomes, the same codes, and books that are equal bit by bit. The requests are those of the
// scenarios, which reach every refusal that there is; what a door cannot say is listed here with
// the reason, and everything else must have been heard over each.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { REFUSAL, REFUSALS, type RefusalName } from '../../../src/domain/refusals.ts';
import { binaryDoor } from './binary-door.ts';
import { commandLineDoor, runProcess } from './command-line.ts';
import { KEY, httpDoor, serve } from './http-door.ts';
import { StampedEngine, type Step, recordScenario } from './recorded-scenario.ts';
import { type Door, heardCodes, nameOf, told } from './saying.ts';

const FOLDER = join(import.meta.dirname, '../../scenarios');
const SCENARIOS = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.txt'))
  .sort();

/** Doors write well-formed commands only; the scenarios also play what no door would write. */
function isWellFormed({ codes }: Step): boolean {
  const { command_malformed: malformed, command_unknown: unknown } = REFUSAL;
  return !codes.includes(malformed) && !codes.includes(unknown);
}

/** Sends all steps; adds the names of the codes that this door has answered. */
async function play(door: Door, steps: readonly Step[], reached: Set<string>): Promise<void> {
  for (const step of steps) {
    door.engine.stamp = step.stamp;
    const names = isWellFormed(step) ? await door.send(step) : undefined;
    if (names === undefined) {
      assert.deepEqual([...door.engine.applyDirectly(step.command).codes], step.codes);
      continue;
    }
    const expected = heardCodes(step);
    assert.deepEqual(
      names,
      expected.map((code) => told(step, code)),
      JSON.stringify(step.act, (_name, value) => (typeof value === 'bigint' ? `${value}` : value)),
    );
    for (const code of expected) if (told(step, code) !== 'done') reached.add(nameOf(code));
  }
}

const NO_DOOR = 'no door writes such a command; only a journal that another program wrote has one';
const CONFIGURATION = 'no door changes the configuration';
const FLAGS = 'flags are names there, and a reserved one has none';

type DoorName = 'http' | 'binary' | 'command line';
const ALL_DOORS: readonly DoorName[] = ['http', 'binary', 'command line'];

/** What a door has no words for, and why. */
const UNSAYABLE: {
  readonly [Name in RefusalName]?: {
    readonly doors: readonly DoorName[];
    readonly why: string;
  };
} = {
  command_malformed: { doors: ALL_DOORS, why: NO_DOOR },
  command_unknown: { doors: ALL_DOORS, why: NO_DOOR },
  configuration_changed_meanwhile: { doors: ALL_DOORS, why: CONFIGURATION },
  configuration_out_of_range: { doors: ALL_DOORS, why: CONFIGURATION },
  configuration_rules_version_unknown: { doors: ALL_DOORS, why: CONFIGURATION },
  reserved_flag: { doors: ['http', 'command line'], why: FLAGS },
  account_reserved_flag: { doors: ALL_DOORS, why: FLAGS },
  account_flags_changed_meanwhile: {
    doors: ALL_DOORS,
    why: 'who freezes what is frozen already hears that it is, and not that it was so before',
  },
  ledger_exponent_invalid: {
    doors: ALL_DOORS,
    why: 'the range of the exponent is checked in front of the books, with the place of the fault',
  },
  ledger_number_must_not_be_zero: {
    doors: ['command line'],
    why: 'the option --ledger takes 1 and more',
  },
};

/** A line for each code and door that was not heard though it could, or heard though listed. */
function surprises(reached: { readonly [Name in DoorName]: ReadonlySet<string> }): string[] {
  return ALL_DOORS.flatMap((door) =>
    REFUSALS.flatMap(({ name }) => {
      const isUnsayable = UNSAYABLE[name]?.doors.includes(door) === true;
      if (reached[door].has(name) !== isUnsayable) return [];
      return [`${name} over ${door}: ${isUnsayable ? 'heard, but listed' : 'never heard'}`];
    }),
  );
}

test('every scenario has the same outcomes over every door, and each code is heard', async (t) => {
  const reached = {
    http: new Set<string>(),
    binary: new Set<string>(),
    'command line': new Set<string>(),
  };
  const commands = new Set<string>();
  for (const name of SCENARIOS) {
    const steps = recordScenario(readFileSync(join(FOLDER, name), 'utf8'));
    await using http = httpDoor();
    await using binary = await binaryDoor();
    await using commandLine = await commandLineDoor();
    await play(http, steps, reached.http);
    await play(binary, steps, reached.binary);
    await play(commandLine, steps, reached['command line']);
    assert.equal(binary.engine.imageHex() === http.engine.imageHex(), true, name);
    assert.equal(commandLine.engine.imageHex() === http.engine.imageHex(), true, name);
    const lists = await http.listed();
    assert.ok(lists.length > 0, name);
    assert.deepEqual(await binary.listed(), lists, name);
    assert.deepEqual(await commandLine.listed(), lists, name);
    for (const command of commandLine.used) commands.add(command);
  }
  const lines = surprises(reached);
  for (const line of lines) t.diagnostic(line);
  assert.deepEqual(lines, []);
  assert.deepEqual([...commands].sort(), [
    'account batch',
    'account create',
    'account freeze',
    'account unfreeze',
    'ledger define',
    'posting create',
    'posting revert',
    'transfer batch',
    'transfer create',
    'transfer post',
    'transfer revert',
    'transfer void',
  ]);
});

test('the command line as a process of its own says the same as in this one', async () => {
  const engine = new StampedEngine();
  const steps = recordScenario(readFileSync(join(FOLDER, '06-chains.txt'), 'utf8')).slice(0, 5);
  for (const step of steps) {
    engine.stamp = step.stamp;
    engine.applyDirectly(step.command);
  }
  engine.stamp = { ...engine.stamp, timeNs: engine.stamp.timeNs + 1_000_000n };
  const server = serve(engine);
  try {
    const url = await server.listen({ host: '127.0.0.1', port: 0 });
    const environment = { HOLDFAST_URL: url, HOLDFAST_API_KEY: KEY };
    const id = `tr_${(engine.stamp.timeNs / 1_000_000n).toString(16).padStart(12, '0')}${'7'.repeat(20)}`;
    const create = ['transfer', 'create', '--credit', '1', '--amount', '1', '--ledger', '978'];
    const refused = await runProcess(
      [...create, '--debit', '4', '--id', id, '--json'],
      environment,
    );
    assert.equal(refused.exitCode, 4, refused.stderr);
    assert.equal(JSON.parse(refused.stderr).error.code, 'exceeds_credits');
    assert.equal(refused.stdout, '');
    const wrong = await runProcess([...create, '--json'], environment);
    assert.equal(wrong.exitCode, 2);
  } finally {
    await server.close();
  }
});
