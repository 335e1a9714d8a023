// HTTPS: with a certificate both ports speak TLS and nothing else, clients believe only whom they
// know, and a renewed certificate is taken over while the node runs.

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type Socket, connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type Seen, runSeen } from '../../src/cli/testing/run.ts';
import { createClient } from '../../src/client/http-client.ts';
import { NodeUnavailable } from '../../src/client/problems.ts';
import { makeCertificate } from '../support/certificate.ts';
import { type Ready, SpawnedNode, clientOf, keyOf } from '../support/spawned-node.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { LEDGER, PAYER, openAccounts } from '../support/two-accounts.ts';
import { until } from '../support/until.ts';

function inFolder(folder: string, name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

/** The serial number of the certificate that a port shows, whoever signed it. */
async function serialAt(url: string): Promise<string> {
  const { hostname, port } = new URL(url.replace('holdfasts:', 'https:'));
  const socket = connectTls({ host: hostname, port: Number(port), rejectUnauthorized: false });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

/** Everything that comes back for a request in the clear, until the connection ends. */
async function plainAnswer(url: string): Promise<string> {
  const socket: Socket = connectTcp({ host: '127.0.0.1', port: Number(new URL(url).port) });
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  socket.on('error', () => socket.destroy());
  socket.write('GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

async function cli(ready: Ready, parameters: readonly string[], ca?: string): Promise<Seen> {
  const environment = {
    HOLDFAST_URL: ready.url,
    HOLDFAST_API_KEY: await keyOf(ready),
    ...(ca !== undefined && { HOLDFAST_CA_FILE: ca }),
  };
  return runSeen(parameters, { environment });
}

test('with a certificate HTTP is HTTPS: clients that know it pay, others learn why not', async () => {
  await using folder = await TemporaryFolder.make();
  const { cert, key } = makeCertificate(folder.path);
  const settings = { HOLDFAST_TLS_CERT_FILE: cert, HOLDFAST_TLS_KEY_FILE: key };
  await using node = new SpawnedNode({ data: join(folder.path, 'data'), settings });
  const ready = await node.ready();
  assert.match(ready.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  await using client = await clientOf(ready, readFileSync(cert));
  await openAccounts(client);
  const known = await cli(ready, ['account', 'get', String(PAYER), '--json'], cert);
  assert.equal(known.exitCode, 0, known.stderr);
  const flagged = await cli(ready, ['account', 'get', String(PAYER), '--ca', cert]);
  assert.equal(flagged.exitCode, 0, flagged.stderr);
  // A stranger is not asked twice, and certainly nothing happened.
  await using stranger = createClient({ url: ready.url, key: await keyOf(ready) });
  const define = stranger.ledgers.define({ ledger: LEDGER, currency: 'EUR', exponent: 2 });
  await assert.rejects(define, (error) => {
    assert.ok(error instanceof NodeUnavailable);
    assert.equal(error.attempts, 1);
    assert.match(error.message, /DEPTH_ZERO_SELF_SIGNED_CERT/);
    return true;
  });
  const unknown = await cli(ready, ['status']);
  assert.equal(unknown.exitCode, 5);
  assert.match(unknown.stderr, /--ca/);
  const noCertificate = await cli(ready, ['status', '--ca', key]);
  assert.equal(noCertificate.exitCode, 2);
  assert.match(noCertificate.stderr, /There is no certificate/);
  assert.doesNotMatch(await plainAnswer(ready.url), /200|live/);
});

test('SIGHUP takes over a renewed certificate on both ports, and no broken one', async () => {
  await using folder = await TemporaryFolder.make();
  const first = makeCertificate(inFolder(folder.path, 'first'));
  const second = makeCertificate(inFolder(folder.path, 'second'));
  const files = { cert: join(folder.path, 'live.crt'), key: join(folder.path, 'live.key') };
  const install = (from: typeof first): void => {
    copyFileSync(from.cert, files.cert);
    copyFileSync(from.key, files.key);
  };
  install(first);
  const settings = { HOLDFAST_TLS_CERT_FILE: files.cert, HOLDFAST_TLS_KEY_FILE: files.key };
  await using node = new SpawnedNode({ data: join(folder.path, 'data'), settings });
  const ready = await node.ready();
  const urls = [ready.url, ready.binary_url];
  const before = await Promise.all(urls.map((url) => serialAt(url)));
  assert.equal(before[0], before[1]);
  await using open = await clientOf(ready, readFileSync(first.cert));
  await openAccounts(open);
  install(second);
  node.signal('SIGHUP');
  for (const url of urls) {
    await until(async () => (await serialAt(url)) !== before[0], 'the new certificate');
  }
  const renewed = await serialAt(ready.url);
  // What was open goes on.
  assert.equal((await open.accounts.get(PAYER)).id, PAYER);
  writeFileSync(files.cert, 'no certificate');
  node.signal('SIGHUP');
  await until(() => node.stderr.includes('certificate_not_renewed'), 'a line in the log');
  assert.equal(await serialAt(ready.url), renewed);
});
