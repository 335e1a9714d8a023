import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOperationalError } from '../base/errors.ts';
import { SETTINGS, loadConfig } from './config.ts';

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
