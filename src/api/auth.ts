// The API key: one secret for everything but two probes. Keys are compared in constant time, so
// that the time of a refusal says nothing about the key or its length.
//
// It comes as `Authorization: Bearer <key>`. A browser cannot send that by itself, so the page of
// the API, which holds no data and changes nothing, also takes it as the password of HTTP Basic.
// Nothing else does: a browser repeats such a password unasked, for whoever makes it send a
// request.

import { hash, timingSafeEqual } from 'node:crypto';

const BEARER_PATTERN = /^Bearer +([\x21-\x7e]+)$/i;
const BASIC_PATTERN = /^Basic +([A-Za-z0-9+/]+={0,2})$/i;
const PASSWORD_PATTERN = /^[^:]*:([\x21-\x7e]+)$/;
const DIGEST_DIGITS = 64;
/** Such keys are compared as they are, padded with zeros, which no key contains. */
const SHORT_KEY_PATTERN = /^[\x21-\x7e]{1,128}$/;
const PADDED_BYTES = 128;

/** `mayBeBasic`: the key may also be the password of HTTP Basic, under any user name. */
export type KeyCheck = (
  authorization: string | undefined,
  mayBeBasic?: boolean,
) => 'ok' | 'key_missing' | 'key_wrong';

export function createKeyCheck(apiKey: string): KeyCheck {
  const isKey = SHORT_KEY_PATTERN.test(apiKey) ? comparePadded(apiKey) : compareDigests(apiKey);
  return (authorization = '', mayBeBasic = false) => {
    const bearer = BEARER_PATTERN.exec(authorization)?.[1];
    const key = bearer ?? (mayBeBasic ? passwordOf(authorization) : undefined);
    if (key === undefined) return 'key_missing';
    return isKey(key) ? 'ok' : 'key_wrong';
  };
}

/** What stands behind the first colon; undefined where there is none that a bearer could have. */
function passwordOf(authorization: string): string | undefined {
  const match = BASIC_PATTERN.exec(authorization);
  if (match === null) return undefined;
  const pair = Buffer.from(match[1]!, 'base64').toString('latin1');
  return PASSWORD_PATTERN.exec(pair)?.[1];
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
