// What brokers answer, word for word as version 3.10 says it, and what it means.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerFailure, failureOf } from './failures.ts';

function kindOf(text: string): string {
  const failure = failureOf(new Error(text));
  assert.ok(failure instanceof BrokerFailure);
  return failure.kind;
}

void describe('failures of brokers', () => {
  void it('knows a stream that is not there', () => {
    const text = `Operation failed: QueueDeclare; 404 (NOT-FOUND) with message "NOT_FOUND - no queue 'x' in vhost '/'"`;
    assert.equal(kindOf(text), 'missing');
  });

  void it('does not take a stream whose leader is down for one that is not there', () => {
    const text = `Operation failed: QueueDeclare; 404 (NOT-FOUND) with message "NOT_FOUND - home node 'n1@localhost' of durable queue 'x' in vhost '/' is down or inaccessible"`;
    assert.equal(kindOf(text), 'lost');
  });

  void it('knows a broker without a replica of the stream', () => {
    const text = `Operation failed: BasicConsume; 406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - queue 'queue 'x' in vhost '/'' does not have a replica on the local node"`;
    assert.equal(kindOf(text), 'foreign');
  });

  void it('takes everything else for a broken connection', () => {
    assert.equal(kindOf('read ECONNRESET'), 'lost');
  });
});
