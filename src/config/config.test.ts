import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOperationalError } from '../base/errors.ts';
import { SETTINGS, loadConfig, pathsOf } from './config.ts';

function mistakesOf(environment: Readonly<Record<string, string>>): string {
  try {
    loadConfig({}, environment);
  } catch (error) {
    assert.ok(isOperationalError(error, 'CONFIGURATION_INVALID'));
    return error.detail;
  }
  return '';
}

test('a level of the log that does not exist is a mistake of the configuration, told by its name', () => {
  const told = mistakesOf({ HOLDFAST_LOG_LEVEL: 'loud' });
  assert.match(told, /^HOLDFAST_LOG_LEVEL=loud wants one of trace, debug, info, warn, error, /);
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']) {
    assert.equal(loadConfig({}, { HOLDFAST_LOG_LEVEL: level }).logLevel, level);
  }
});

test('a flag wins over the environment, the environment over the default', () => {
  assert.equal(loadConfig({}, {}).port, SETTINGS.port.fallback);
  assert.equal(loadConfig({}, { HOLDFAST_PORT: '1' }).port, 1);
  assert.equal(loadConfig({ port: '2' }, { HOLDFAST_PORT: '1' }).port, 2);
  assert.equal(loadConfig({}, { HOLDFAST_PORT: '' }).port, SETTINGS.port.fallback);
});

test('every number has bounds, and what is beyond them or no number is named', () => {
  for (const { env, fallback } of Object.values(SETTINGS)) {
    if (typeof fallback !== 'number') continue;
    for (const value of ['-1', '1e3', 'x', '99999999999999']) {
      const told = mistakesOf({ [env]: value });
      assert.ok(told.startsWith(`${env}=${value} wants a whole number`), told);
    }
  }
});

test('all mistakes are told at once, also a setting that does not exist', () => {
  const told = mistakesOf({ HOLDFAST_PORT: 'x', HOLDFAST_LOG_LEVEL: 'x', HOLDFAST_PROT: '1' });
  for (const name of ['HOLDFAST_PORT=x', 'HOLDFAST_LOG_LEVEL=x', 'HOLDFAST_PROT is not']) {
    assert.ok(told.includes(name), told);
  }
});

test('lists of paths have no empty one: a directory that is left out by mistake is no second copy', () => {
  for (const env of ['HOLDFAST_JOURNAL_DIRECTORIES', 'HOLDFAST_JOURNAL_WITHOUT']) {
    for (const value of [',,', '/a,', ',/a', '/a,,/b', ' ']) {
      const told = mistakesOf({ [env]: value });
      assert.ok(told.startsWith(`${env}=${value} wants paths`), told);
    }
    assert.equal(mistakesOf({ [env]: '/a, /b' }), '');
    assert.equal(mistakesOf({ [env]: '' }), '');
  }
});

test('the name of a node is short and plain: it becomes a folder and stands in addresses', () => {
  assert.equal(loadConfig({}, {}).node, '');
  for (const name of ['node-1', 'a', '0'.repeat(32)]) {
    assert.equal(loadConfig({ node: name }, {}).node, name);
  }
  for (const name of ['Node', '../node', 'a b', 'a'.repeat(33)]) {
    assert.match(mistakesOf({ HOLDFAST_NODE: name }), /wants 1 to 32 of a-z, 0-9 and -/);
  }
});

test('what belongs together in a cluster is compared', () => {
  const servers = { HOLDFAST_ZOOKEEPER_SERVERS: '127.0.0.1:2181,127.0.0.1:2182' };
  assert.match(mistakesOf({ HOLDFAST_COORDINATOR: 'zookeeper' }), /wants HOLDFAST_ZOOKEEPER_SERV/);
  assert.match(mistakesOf(servers), /is read only with HOLDFAST_COORDINATOR=zookeeper/);
  const { zookeeperServers } = loadConfig({}, { HOLDFAST_COORDINATOR: 'zookeeper', ...servers });
  assert.deepEqual(pathsOf(zookeeperServers), ['127.0.0.1:2181', '127.0.0.1:2182']);
  const hasty = { HOLDFAST_HEARTBEAT_MS: '150', HOLDFAST_CHALLENGE_MS: '300' };
  assert.match(mistakesOf(hasty), /HOLDFAST_CHALLENGE_MS must be more than twice/);
  assert.equal(loadConfig({}, { ...hasty, HOLDFAST_CHALLENGE_MS: '301' }).challengeMs, 301);
});

test('where the port is any free one, the others are too, unless they are named', () => {
  const { binaryPort, peerPort } = loadConfig({ port: '0' }, { HOLDFAST_BINARY_PORT: '9' });
  assert.deepEqual([binaryPort, peerPort], [9, 0]);
  assert.throws(() => loadConfig({ peerPort: 'x' }, {}), /--peer-port=x wants a whole number/);
});
