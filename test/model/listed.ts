// Compares the lists that the history of a node gave at the end with what the rules say was
// accepted: every transfer in its place, each field of it, once. There may be millions: a listed
// transfer is a value only while it is compared, and what is expected of a list is a number each.

import { TRANSFER_BYTES, type Transfer, decodeTransfer } from '../../src/base/transfer-record.ts';
import { type FinalPage, transferName } from './history.ts';
import type { HoldState, Remembered } from './naive-rules.ts';

type Listed = { readonly transfer: Transfer; readonly hold: HoldState | undefined };
type Accepted = readonly (Remembered | undefined)[];

/** `accepted`: in the order of acceptance. Sentences for what differs, one for each list. */
export function comparePages(pages: readonly FinalPage[], accepted: Accepted): string[] {
  const mismatches: string[] = [];
  for (const [account, list] of Map.groupBy(pages, (page) => page.account)) {
    const places = account === undefined ? allPlaces(accepted) : placesOf(accepted, account);
    const difference = firstDifference(list, accepted, places);
    const name = account === undefined ? 'the list of all transfers' : `the list of ${account}`;
    if (difference !== undefined) mismatches.push(`${name}: ${difference}`);
  }
  return mismatches;
}

function allPlaces({ length }: Accepted): Uint32Array {
  return new Uint32Array(length).map((_, place) => place);
}

/** Where the account's transfers stand among the accepted ones, the newest first. */
function placesOf(accepted: Accepted, account: bigint): Uint32Array {
  const places = new Uint32Array(accepted.length);
  let count = 0;
  for (let place = accepted.length - 1; place >= 0; place--) {
    const transfer = accepted[place]?.transfer;
    if (transfer?.debitAccountId !== account && transfer?.creditAccountId !== account) continue;
    places[count] = place;
    count += 1;
  }
  return places.subarray(0, count);
}

/** `places`: of what is expected, in the order of the list. */
function firstDifference(
  pages: readonly FinalPage[],
  accepted: Accepted,
  places: Uint32Array,
): string | undefined {
  const total = pages.reduce((sum, { records }) => sum + records.byteLength / TRANSFER_BYTES, 0);
  let index = 0;
  for (const listed of listedOn(pages)) {
    const known = index < places.length ? accepted[places[index]!] : undefined;
    const at = `place ${index} of ${total}`;
    if (known === undefined) return `${transferName(listed.transfer.id)} at ${at}`;
    const difference = differenceOf(listed, known, at);
    if (difference !== undefined) return difference;
    index += 1;
  }
  if (index >= places.length) return undefined;
  const missing = accepted[places[index]!];
  const name = missing === undefined ? 'a transfer' : transferName(missing.transfer.id);
  return `${name} is not at place ${index} of ${total}`;
}

function* listedOn(pages: readonly FinalPage[]): Generator<Listed, void, void> {
  for (const { records, holds } of pages) {
    const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
    for (let index = 0; index * TRANSFER_BYTES < records.byteLength; index++) {
      yield { transfer: decodeTransfer(view, index * TRANSFER_BYTES), hold: holds[index] };
    }
  }
}

function differenceOf(
  { transfer, hold }: Listed,
  known: Remembered,
  at: string,
): string | undefined {
  const name = transferName(known.transfer.id);
  if (transfer.id !== known.transfer.id) return `${name} is not at ${at}`;
  if (hold !== known.hold) return `${name}: hold ${hold}, it is ${known.hold}`;
  for (const key of Object.keys(known.transfer) as (keyof Transfer)[]) {
    if (transfer[key] === known.transfer[key]) continue;
    return `${name}: ${key} is ${transfer[key]}, the rules say ${known.transfer[key]}`;
  }
  return undefined;
}
