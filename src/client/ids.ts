// New ids for people who have none of their own. A transfer id made here is a UUIDv7, so that its
// top 48 bits are the time of its making; make it once, keep it, and use it for every retry.

import { randomUUIDv7 } from 'node:crypto';

export function newTransferId(): bigint {
  return uuidNumber(randomUUIDv7());
}

/** A posting's transfers get ids of the same time. */
export function newPostingId(): bigint {
  return uuidNumber(randomUUIDv7());
}

/** Account ids may be any number; a UUIDv7 is as good as another and needs no bookkeeping. */
export function newAccountId(): bigint {
  return uuidNumber(randomUUIDv7());
}

function uuidNumber(uuid: string): bigint {
  return BigInt(`0x${uuid.replaceAll('-', '')}`);
}
