import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatId } from '../base/ids.ts';
import { FAKE_KEY, problemBody } from '../client/testing/fake-node.ts';
import { CliBench, runSeen } from './testing/run.ts';

const CREATE = ['transfer', 'create', '--debit', '1', '--credit', '2', '--currency', 'EUR'];

type Sent = Readonly<Record<string, unknown>>;

function sentTo(bench: CliBench, path: string): Sent[] {
  return bench.node.seen
    .filter((request) => request.method === 'POST' && request.path === path)
    .map((request) => JSON.parse(request.body) as Sent);
}

test('help is on stdout and exits 0; without a command help is shown', async () => {
  for (const parameters of [['--help'], [], ['account', '--help'], ['help', 'import']]) {
    const { exitCode, stdout, stderr } = await runSeen(parameters);
    assert.equal(exitCode, 0);
    assert.match(stdout, /Usage: holdfast/);
    assert.equal(stderr, '');
  }
});

test('wrong usage exits 2, says so on stderr, and suggests what was meant', async () => {
  const wrong: [parameters: string[], message: RegExp][] = [
    [['acount'], /Did you mean account\?/],
    [['account'], /Usage: holdfast account/],
    [['account', 'get'], /missing required argument/],
    [['transfer', 'create', '--debit', '1'], /required option/],
    [['status', '--jsn'], /Did you mean --json\?/],
    [['account', 'get', 'x'], /"x" is not an account id/],
    [['transfer', 'get', '17'], /"17" is not a transfer id/],
    [['--url', 'nowhere', 'status'], /is not a URL/],
    [['--url', 'http://127.0.0.1:1,', 'status'], /"" is not a URL/],
    [['--deadline', '0', '--url', 'http://127.0.0.1:1', 'status'], /--deadline 0/],
    [['journal', 'show', '--from', '0'], /--from 0/],
  ];
  for (const [parameters, message] of wrong) {
    const { exitCode, stdout, stderr } = await runSeen(parameters, {
      environment: { HOLDFAST_API_KEY: FAKE_KEY },
    });
    assert.equal(exitCode, 2, parameters.join(' '));
    assert.match(stderr, message);
    assert.equal(stdout, '');
  }
});

test('account create sends the id that was typed, and prints decimals', async () => {
  await using bench = await CliBench.start();
  const created = await bench.run('account', 'create', '--id', '7', '--currency', 'EUR');
  assert.equal(created.exitCode, 0, created.stderr);
  assert.match(created.stdout, /^status +created$/m);
  assert.match(created.stdout, /^account +acc_00000000000000000000000000000007$/m);
  assert.match(created.stdout, /^debits posted +0\.00 EUR$/m);
  const again = await bench.run('account', 'create', '--id', '7', '--currency', 'EUR', '--json');
  assert.equal((JSON.parse(again.stdout) as Sent)['status'], 'exists');
});

test('account create passes code, limit and user data on', async () => {
  await using bench = await CliBench.start();
  const parameters = ['--code', '9', '--limit', 'debits', '--user-data-64', '18446744073709551615'];
  const create = ['account', 'create', '--ledger', '978'];
  const { exitCode } = await bench.run(...create, ...parameters, '--user-data-128', 'ff');
  assert.equal(exitCode, 0);
  const [sent] = sentTo(bench, '/v1/accounts');
  assert.equal(sent?.['code'], 9);
  assert.deepEqual(sent?.['flags'], ['debits_must_not_exceed_credits']);
  assert.equal(sent?.['user_data_64'], '18446744073709551615');
  assert.equal(sent?.['user_data_128'], `${'0'.repeat(30)}ff`);
});

test('amounts are typed as decimals and sent as minor units', async () => {
  await using bench = await CliBench.start();
  const cases: [amount: string, currency: string, minor: string][] = [
    ['12.50', 'EUR', '1250'],
    ['12.5', 'EUR', '1250'],
    ['12', 'EUR', '1200'],
    ['90071992547409931.07', 'EUR', '9007199254740993107'],
    ['12', 'JPY', '12'],
  ];
  for (const [amount, currency] of cases) {
    const parameters = ['--debit', '1', '--credit', '2', '--amount', amount];
    const create = ['transfer', 'create', ...parameters, '--currency', currency];
    const { exitCode, stderr } = await bench.run(...create);
    assert.equal(exitCode, 0, stderr);
  }
  assert.deepEqual(
    sentTo(bench, '/v1/transfers').map((sent) => sent['amount']),
    cases.map(([, , minor]) => minor),
  );
});

test('more decimals than the currency has are refused here, and nothing is sent', async () => {
  await using bench = await CliBench.start();
  const refused = await bench.run(...CREATE, '--amount', '12.505');
  assert.equal(refused.exitCode, 4);
  assert.match(refused.stderr, /12\.505 has more decimals than EUR has \(2\)/);
  for (const amount of ['1e3', '-5', '1,50', '', '.5', '01']) {
    const { exitCode, stderr } = await bench.run(...CREATE, `--amount=${amount}`);
    assert.equal(exitCode, 2, amount);
    assert.match(stderr, /is not an amount/);
  }
  assert.equal(sentTo(bench, '/v1/transfers').length, 0);
});

test('a currency that no ledger has, or that several have, is refused with a way out', async () => {
  await using bench = await CliBench.start();
  const parameters = ['account', 'create', '--currency'];
  const missing = await bench.run(...parameters, 'XXX');
  assert.equal(missing.exitCode, 4);
  assert.match(missing.stderr, /holdfast ledger define/);
  bench.node.ledgers.set(1978, { ledger: 1978, currency: 'EUR', exponent: 2 });
  const several = await bench.run(...parameters, 'EUR');
  assert.equal(several.exitCode, 2);
  assert.match(several.stderr, /978, 1978/);
  const mismatched = await bench.run(...parameters, 'EUR', '--ledger', '392');
  assert.equal(mismatched.exitCode, 2);
});

test('a hold is created, posted in part by decimals, and voided', async () => {
  await using bench = await CliBench.start();
  const expiry = ['--hold', '--expires-after', '60'];
  const held = await bench.run(...CREATE, '--amount', '10', ...expiry, '--json');
  const hold = JSON.parse(held.stdout) as { readonly id: string };
  await bench.run('transfer', 'post', hold.id, '--amount', '4.50');
  await bench.run('transfer', 'void', hold.id);
  const [first, post, release] = sentTo(bench, '/v1/transfers');
  assert.deepEqual(first?.['flags'], ['pending']);
  assert.equal(first?.['timeout_seconds'], 60);
  assert.deepEqual(post?.['flags'], ['post_pending']);
  assert.equal(post?.['amount'], '450');
  assert.equal(post?.['pending_id'], hold.id);
  assert.deepEqual(release?.['flags'], ['void_pending']);
  assert.ok(release !== undefined && !('amount' in release));
});

test('exit codes tell not found, refused, unavailable, unknown and failed apart', async () => {
  await using bench = await CliBench.start();
  const id = `tr_${'0'.repeat(31)}1`;
  const transfer = [...CREATE, '--amount', '1', '--id', id];
  assert.equal((await bench.run('account', 'get', '404')).exitCode, 3);
  assert.equal((await bench.run('transfer', 'get', id)).exitCode, 3);

  bench.node.refusals.set(id, 'exceeds_credits');
  const refused = await bench.run(...transfer);
  assert.equal(refused.exitCode, 4);
  assert.match(refused.stderr, /exceeds_credits/);
  assert.match(refused.stderr, /Nothing was moved\./);
  bench.node.refusals.set(id, 'debit_account_not_found');
  assert.equal((await bench.run(...transfer)).exitCode, 4);

  bench.node.fault = () => ({ kind: 'answer', status: 503, body: problemBody(503, 'not_ready') });
  assert.equal((await bench.run('status')).exitCode, 5);

  bench.node.refusals.clear();
  bench.node.fault = ({ path }) => (path === '/v1/transfers' ? { kind: 'drop-after' } : undefined);
  const unknown = await bench.run(...transfer);
  assert.equal(unknown.exitCode, 6);
  assert.match(unknown.stderr, new RegExp(`--id ${id}`));

  bench.node.fault = () => undefined;
  await writeFile(join(bench.folder, 'api-key'), 'hk_wrong');
  assert.equal((await bench.run('status')).exitCode, 1);
});

test('no node and no key are said with what to do', async () => {
  await using bench = await CliBench.start();
  await rm(join(bench.folder, 'api-key'));
  const withoutKey = await bench.run('status');
  assert.equal(withoutKey.exitCode, 1);
  assert.match(withoutKey.stderr, /HOLDFAST_API_KEY/);
  await rm(join(bench.folder, 'node.json'));
  const withoutNode = await bench.run('status');
  assert.equal(withoutNode.exitCode, 5);
  assert.match(withoutNode.stderr, /holdfast up/);
});

test('flag wins over environment, environment over data folder', async () => {
  await using bench = await CliBench.start();
  await using other = await CliBench.start();
  const keyFile = join(other.folder, 'api-key');
  const environment = { HOLDFAST_URL: other.node.url, HOLDFAST_API_KEY: FAKE_KEY };
  await runSeen(['status', '--data', bench.folder], { environment });
  assert.equal(other.node.seen.length, 1);
  const wrong = { ...environment, HOLDFAST_API_KEY: 'hk_wrong', HOLDFAST_DATA: '/nowhere' };
  const flags = ['--url', bench.node.url, '--key-file', keyFile];
  const { exitCode } = await runSeen(['status', ...flags], { environment: wrong });
  assert.equal(exitCode, 0);
  assert.equal(bench.node.seen.length, 1);
});

test('of several nodes the one that answers is talked to', async () => {
  await using bench = await CliBench.start();
  const nowhere = 'http://127.0.0.1:1';
  const keyFile = join(bench.folder, 'api-key');
  const { url } = bench.node;
  const environment = { HOLDFAST_URL: `${nowhere}, ${url}` };
  for (const flags of [[], ['--url', nowhere, '--url', url], ['--url', `${nowhere},${url}`]]) {
    const { exitCode } = await runSeen(['status', '--key-file', keyFile, ...flags], {
      environment,
    });
    assert.equal(exitCode, 0);
  }
  assert.equal(bench.node.seen.length, 3);
});

test('with --json errors are JSON on stderr and stdout stays empty', async () => {
  await using bench = await CliBench.start();
  const { exitCode, stdout, stderr } = await bench.run('--json', 'account', 'get', '404');
  assert.equal(exitCode, 3);
  assert.equal(stdout, '');
  const { error } = JSON.parse(stderr) as { readonly error: Sent };
  assert.equal(error['code'], 'account_not_found');
  assert.equal(error['exit_code'], 3);
});

test('with --json wrong usage is JSON on stderr too, also where the parser stopped before it', async () => {
  const wrong: [parameters: string[], message: RegExp][] = [
    [['acount', '--json'], /unknown command 'acount'/],
    [['--json', 'account'], /A command is missing/],
    [['account', 'get', '--json'], /missing required argument/],
    [['transfer', 'create', '--json'], /required option/],
    [['status', '--jsn', '--json'], /unknown option/],
    [['account', 'create', '--limit', 'both', '--json'], /Allowed choices/],
    [['transfer', 'get', '17', '--json'], /"17" is not a transfer id/],
  ];
  for (const [parameters, message] of wrong) {
    const environment = { HOLDFAST_API_KEY: FAKE_KEY, HOLDFAST_URL: 'http://127.0.0.1:1' };
    const { exitCode, stdout, stderr } = await runSeen(parameters, { environment });
    assert.equal(exitCode, 2, parameters.join(' '));
    assert.equal(stdout, '');
    const { error } = JSON.parse(stderr) as { readonly error: Sent };
    assert.equal(error['code'], 'usage');
    assert.equal(error['exit_code'], 2);
    assert.match(String(error['detail']), message);
  }
});

test('where the outcome is unknown, the id that was made for an account is told', async () => {
  await using bench = await CliBench.start();
  bench.node.fault = ({ path }) => (path === '/v1/accounts' ? { kind: 'drop-after' } : undefined);
  const create = ['account', 'create', '--currency', 'EUR'];
  const { exitCode, stderr } = await bench.run(...create, '--json');
  assert.equal(exitCode, 6);
  const [made] = [...bench.node.accounts.keys()];
  assert.ok(made !== undefined);
  const { error } = JSON.parse(stderr) as { readonly error: Sent };
  assert.ok(String(error['action']).includes(`--id ${made}`), String(error['action']));
  bench.node.fault = () => undefined;
  const again = await bench.run(...create, '--id', made, '--json');
  assert.equal((JSON.parse(again.stdout) as Sent)['status'], 'exists');
  assert.equal(bench.node.accounts.size, 1);
});

test('list-by-ids aligns decimals, names what is missing and exits 3 for it', async () => {
  await using bench = await CliBench.start();
  await bench.run('account', 'create', '--id', '1', '--currency', 'EUR');
  await bench.run('account', 'create', '--id', '2', '--currency', 'EUR');
  await bench.run(...CREATE, '--amount', '1234.50');
  const { exitCode, stdout, stderr } = await bench.run('account', 'list-by-ids', '1', '2', '3');
  assert.equal(exitCode, 3);
  const lines = stdout.trimEnd().split('\n');
  assert.deepEqual(
    lines.slice(1).map((line) => line.split(/ +/).slice(1)),
    [
      ['1234.50', '0.00', '-1234.50', 'EUR'],
      ['0.00', '1234.50', '1234.50', 'EUR'],
    ],
  );
  assert.equal(lines[1]?.indexOf(' EUR'), lines[2]?.indexOf(' EUR'));
  assert.match(stderr, new RegExp(`not found: ${formatId('account', 3n)}`));
});

test('ledger define takes the decimals of ISO 4217, or asks for them', async () => {
  await using bench = await CliBench.start();
  const defined = await bench.run('ledger', 'define', '--ledger', '368', '--currency', 'IQD');
  assert.equal(defined.exitCode, 0, defined.stderr);
  assert.equal(bench.node.ledgers.get(368)?.['exponent'], 3);
  const asked = await bench.run('ledger', 'define', '--ledger', '9000', '--currency', 'POINTS');
  assert.equal(asked.exitCode, 2);
  assert.match(asked.stderr, /--exponent/);
  const listed = await bench.run('ledger', 'list');
  assert.match(listed.stdout, /^ +978 +EUR +2$/m);
});

test('colours are for terminals only, and NO_COLOR and --no-color end them', async () => {
  await using bench = await CliBench.start();
  const parameters = ['--data', bench.folder, 'status'];
  const hasEscape = (text: string): boolean => text.includes('\u001b[');
  assert.ok(hasEscape((await runSeen(parameters, { isTTY: true })).stdout));
  assert.ok(!hasEscape((await runSeen(parameters)).stdout));
  assert.ok(!hasEscape((await runSeen([...parameters, '--no-color'], { isTTY: true })).stdout));
  for (const environment of [{ NO_COLOR: '1' }, { TERM: 'dumb' }] as const) {
    const seen = await runSeen(parameters, { isTTY: true, environment: { ...environment } });
    assert.ok(!hasEscape(seen.stdout));
  }
});

test('account freeze and unfreeze show the state, and an unknown account is not found', async () => {
  await using bench = await CliBench.start();
  await bench.run('account', 'create', '--id', '7', '--currency', 'EUR');
  const frozen = await bench.run('account', 'freeze', '7');
  assert.equal(frozen.exitCode, 0, frozen.stderr);
  assert.match(frozen.stdout, /^flags +frozen$/m);
  const free = await bench.run('account', 'unfreeze', '7', '--json');
  assert.deepEqual((JSON.parse(free.stdout) as Sent)['flags'], []);
  assert.equal((await bench.run('account', 'freeze', '8')).exitCode, 3);
});

test('transfer create sends flags by name, max as all of it, and imported timestamps', async () => {
  await using bench = await CliBench.start();
  const flags = ['--flag', 'balancing_debit', 'closing_debit', '--hold'];
  await bench.run(...CREATE, '--amount', 'max', ...flags);
  await bench.run(...CREATE, '--amount', '1', '--timestamp-ns', '5');
  const [closing, imported] = sentTo(bench, '/v1/transfers');
  assert.deepEqual(closing?.['flags'], ['pending', 'balancing_debit', 'closing_debit']);
  assert.equal(closing?.['amount'], String(2n ** 128n - 1n));
  assert.deepEqual([imported?.['flags'], imported?.['timestamp_ns']], [['imported'], '5']);
  assert.equal((await bench.run(...CREATE, '--amount', 'max')).exitCode, 2);
  const unknown = await bench.run(...CREATE, '--amount', '1', '--flag', 'linked');
  assert.equal(unknown.exitCode, 2);
  await bench.run('account', 'create', '--id', '9', '--currency', 'EUR', '--timestamp-ns', '4');
  const [account] = sentTo(bench, '/v1/accounts');
  assert.deepEqual([account?.['flags'], account?.['timestamp_ns']], [['imported'], '4']);
});

test('a posting is typed as legs in decimals, and is reverted by its id', async () => {
  await using bench = await CliBench.start();
  const create = ['posting', 'create', '--currency', 'EUR', '--debit', '1=11.90'];
  const done = await bench.run(...create, '--credit', '2=10', '--credit', '3=1.90');
  assert.equal(done.exitCode, 0, done.stderr);
  assert.match(done.stdout, /11\.90 EUR$/m);
  const [sent] = sentTo(bench, '/v1/postings');
  assert.deepEqual(
    ((sent?.['legs'] ?? []) as Sent[]).map((leg) => [leg['side'], leg['amount']]),
    [
      ['debit', '1190'],
      ['credit', '1000'],
      ['credit', '190'],
    ],
  );
  const id = String(sent?.['id']);
  assert.match(id, /^po_/);
  const reverted = await bench.run('posting', 'revert', id, '--json');
  assert.equal((JSON.parse(reverted.stdout) as Sent)['status'], 'created');
  assert.equal(bench.node.seen.at(-1)?.path, `/v1/postings/${id}/revert`);
  for (const leg of ['2', '2=1=1', 'x=1', '2=1.005']) {
    assert.ok((await bench.run(...create, '--credit', leg)).exitCode > 0, leg);
  }
});

test('transfer revert names the transfer in the address', async () => {
  await using bench = await CliBench.start();
  const made = await bench.run(...CREATE, '--amount', '1', '--json');
  const { id } = JSON.parse(made.stdout) as { readonly id: string };
  const reverted = await bench.run('transfer', 'revert', id);
  assert.equal(reverted.exitCode, 0, reverted.stderr);
  assert.equal(bench.node.seen.at(-2)?.path, `/v1/transfers/${id}/revert`);
});
