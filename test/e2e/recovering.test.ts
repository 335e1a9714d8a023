// While a node reads its journal it is alive, but it has no books yet: nobody may read or pay.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '../../src/client/http-client.ts';
import { newTransferJson } from '../../src/client/wire.ts';
import { createJournal } from '../../src/drivers/memory/driver.ts';
import { MemoryLog } from '../../src/drivers/memory/memory-log.ts';
import type { Journal, ReadOptions, StoredEntry } from '../../src/ports/journal.ts';
import { KEY, ServedNode } from '../support/served-node.ts';
import { LEDGER, openAccounts, payment, received } from '../support/two-accounts.ts';

/** Gives the first half of its entries and holds the rest back until it is released. */
class HeldJournal {
  readonly journal: Journal;
  readonly reading = Promise.withResolvers<void>();
  readonly #released = Promise.withResolvers<void>();
  #isFirstRead = true;

  constructor(inner: Journal) {
    this.journal = {
      guarantees: inner.guarantees,
      open: (options) => inner.open(options),
      append: (entry) => inner.append(entry),
      read: (options) => this.#read(inner, options),
      bounds: () => inner.bounds(),
      discardThrough: (position) => inner.discardThrough(position),
      readDiscarded: (signal) => inner.readDiscarded(signal),
      close: () => inner.close(),
    };
  }

  release(): void {
    this.#released.resolve();
  }

  async *#read(inner: Journal, options: ReadOptions): AsyncGenerator<readonly StoredEntry[]> {
    const isHeld = this.#isFirstRead;
    this.#isFirstRead = false;
    for await (const batch of inner.read(options)) {
      if (!isHeld) {
        yield batch;
        continue;
      }
      yield batch.slice(0, batch.length >> 1);
      this.reading.resolve();
      await this.#released.promise;
      yield batch.slice(batch.length >> 1);
    }
  }
}

test('while a journal is replayed the node is live, not ready, and shows no half-restored balance', async () => {
  const log = new MemoryLog();
  const paid = [payment(3n), payment(4n), payment(5n)];
  await using first = new ServedNode(createJournal({ log }));
  await first.node.start();
  await using client = createClient({ url: await first.listen(), key: KEY });
  await client.ledgers.define({ ledger: LEDGER, currency: 'EUR', exponent: 2 });
  await openAccounts(client);
  for (const one of paid) await client.transfers.create(one);
  await first.stop();

  const held = new HeldJournal(createJournal({ log }));
  await using served = new ServedNode(held.journal);
  const url = await served.listen();
  const starting = served.node.start();
  await held.reading.promise;

  const { app } = served.server;
  const headers = { authorization: `Bearer ${KEY}` };
  assert.equal((await app.inject({ url: '/livez' })).statusCode, 200);
  const readiness = await app.inject({ url: '/readyz' });
  assert.equal(readiness.statusCode, 503);
  assert.equal(readiness.json<{ role: string }>().role, 'recovering');
  const status = await app.inject({ url: '/v1/status', headers });
  assert.equal(status.statusCode, 200);
  assert.equal(status.json<{ books: unknown }>().books, null);
  const one = newTransferJson(paid[0]!);
  const requests = [
    { method: 'GET', url: `/v1/accounts/acc_${'2'.padStart(32, '0')}` },
    { method: 'GET', url: `/v1/transfers/${String(one['id'])}` },
    { method: 'GET', url: '/v1/ledgers' },
    { method: 'POST', url: '/v1/transfers', payload: one },
    { method: 'POST', url: '/v1/transfers/lookup', payload: { ids: [one['id']] } },
  ] as const;
  for (const request of requests) {
    const answer = await app.inject({ ...request, headers });
    assert.equal(answer.statusCode, 503, `${request.method} ${request.url}`);
    assert.equal(answer.json<{ code: string }>().code, 'not_ready');
    assert.match(String(answer.headers['retry-after']), /^[1-9][0-9]*$/);
  }

  assert.throws(() => served.node.state, /NOT_READY/);

  held.release();
  await starting;
  assert.equal((await app.inject({ url: '/readyz' })).statusCode, 200);
  await using reader = createClient({ url, key: KEY });
  assert.equal(await received(reader), 12n);
  assert.equal((await reader.transfers.create(paid[0]!)).status, 'exists');
});
