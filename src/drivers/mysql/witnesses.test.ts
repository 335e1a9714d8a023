import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { covers, parseGtids } from './witnesses.ts';

void describe('what a replica says that it has received', () => {
  const wanted = { domain: 1, server: 3, sequence: 100 };

  void it('covers a GTID by the same one, or a later one of the same server', () => {
    assert.ok(covers(parseGtids('1-3-100'), wanted));
    assert.ok(covers(parseGtids('0-1-7,1-3-101'), wanted));
  });

  void it('does not cover it by an earlier one, nor before anything was received', () => {
    assert.ok(!covers(parseGtids('1-3-99'), wanted));
    assert.ok(!covers(parseGtids(''), wanted));
  });

  void it('does not cover it by another server or domain, however high the number', () => {
    assert.ok(!covers(parseGtids('1-2-100000'), wanted));
    assert.ok(!covers(parseGtids('2-3-100000'), wanted));
  });
});
