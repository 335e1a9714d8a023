import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isOperationalError } from '../../base/errors.ts';
import type { EngineJournalOptions } from '../engine-options.ts';
import { settingsOf } from './options.ts';

const OPTIONS: EngineJournalOptions = {
  hosts: [{ host: 'db-1', port: 5432 }],
  user: '',
  password: '',
  name: 'payments',
  parameters: {},
  waived: [],
  log: () => undefined,
};

function refuses(changes: Partial<EngineJournalOptions>, words: RegExp): void {
  assert.throws(
    () => settingsOf({ ...OPTIONS, ...changes }),
    (error) => isOperationalError(error, 'CONFIGURATION_INVALID') && words.test(error.message),
  );
}

void describe('options of the PostgreSQL driver', () => {
  void it('have defaults for whatever may be left out', () => {
    const { user, database, applicationName, tls } = settingsOf(OPTIONS);
    assert.deepEqual([user, database, applicationName], ['holdfast', 'payments', 'holdfast']);
    assert.equal(tls, false);
  });

  void it('refuse what the driver does not know, instead of passing over it', () => {
    refuses({ parameters: { synchronous_commit: 'off' } }, /synchronous_commit/);
    refuses({ parameters: { sslmode: 'prefer' } }, /prefer/);
    refuses({ parameters: { sslrootcert: '/nowhere.pem' } }, /of no use without/);
    refuses(
      { parameters: { sslmode: 'verify-ca', sslrootcert: '/nowhere.pem' } },
      /cannot be read/,
    );
    refuses({ parameters: { application_name: 'two words' } }, /two words/);
    refuses({ parameters: { application_name: 'n'.repeat(64) } }, /63/);
    refuses({ hosts: [] }, /server/);
  });

  void it('check certificates and names as sslmode says', () => {
    const tlsOf = (sslmode: string) => settingsOf({ ...OPTIONS, parameters: { sslmode } }).tls;
    const [required, authority, full] = ['require', 'verify-ca', 'verify-full'].map(tlsOf);
    assert.ok(required && required.rejectUnauthorized === false);
    assert.ok(authority && authority.rejectUnauthorized === true);
    assert.notEqual(authority.checkServerIdentity, undefined);
    assert.ok(full && full.rejectUnauthorized === true);
    assert.equal(full.checkServerIdentity, undefined);
  });
});
