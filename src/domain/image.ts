// The state as bytes, and back. The image is canonical: one state, one image, whatever road led to
// it. Slots, free lists, hash tables and heaps are left out and rebuilt; records stand in an order
// that the rules give (accounts by opening, holds by timestamp, remembered ids by id).
//
//   head                one section, drawn at `writeHead`
//   ledgers             64 + 80 bytes for each ledger, in the order of definition
//   accounts/000000     up to 16 Ki records of 128 bytes (ledger/account-table.ts)
//   holds/000000        up to 16 Ki records of 64 bytes (ledger/hold-table.ts)
//   remembered/000000   up to 16 Ki records of 128 bytes, then a status byte for each

import { assert } from '../base/assert.ts';
import { restoreLedger, type LedgerImage, imageOfLedger } from './ledger/ledger-image.ts';
import { DomainState } from './state.ts';

/** A named part of the image; what reads it back needs them in the same order. */
export type ImageSection = { readonly name: string; readonly bytes: Uint8Array };

const HEAD = 'head';
export const HEAD_BYTES = 112;
const IMAGE_VERSION = 3;

export function image(state: DomainState): ImageSection[] {
  return [{ name: HEAD, bytes: writeHead(state) }, ...imageOfLedger(state.ledger)];
}

/** Builds the state of an image and proves that its books balance. */
export function restore(sections: readonly ImageSection[]): DomainState {
  const head = sections[0];
  assert(head !== undefined && head.name === HEAD, 'an image begins with its head');
  const { state, counts } = readHead(head.bytes);
  restoreLedger(state.ledger, counts, sections.slice(1));
  return state;
}

/** An empty state with the configuration of the head, and what it must hold in the end. */
export function readHead(bytes: Uint8Array): {
  readonly state: DomainState;
  readonly counts: LedgerImage;
} {
  assert(bytes.byteLength === HEAD_BYTES, 'the head of an image has its size');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  assert(view.getUint32(0, true) === IMAGE_VERSION, 'this release knows the version of the image');
  const state = new DomainState({
    version: Number(view.getBigUint64(8, true)),
    dedupeWindowSeconds: view.getUint32(16, true),
    rulesVersion: view.getUint32(20, true),
    dedupeBytesMax: Number(view.getBigUint64(24, true)),
  });
  state.lastTimeNs = view.getBigUint64(32, true);
  state.position = Number(view.getBigUint64(40, true));
  const counts: LedgerImage = {
    mix: [view.getUint32(48, true), view.getUint32(52, true)],
    edgeSeconds: Number(view.getBigUint64(56, true)),
    accounts: Number(view.getBigUint64(64, true)),
    holds: Number(view.getBigUint64(72, true)),
    remembered: Number(view.getBigUint64(80, true)),
    ledgers: view.getUint32(88, true),
    lastTransferTime: [view.getUint32(96, true), view.getUint32(100, true)],
    transfersAccepted: Number(view.getBigUint64(104, true)),
  };
  return { state, counts };
}

//   offset bytes field
//        0     4 image version
//        8     8 configuration version
//       16     4 dedupe window, seconds
//       20     4 rules version
//       24     8 dedupe memory, bytes
//       32     8 last timestamp used
//       40     8 position
//       48     8 mix of all balances written
//       56     8 edge, seconds
//       64     8 accounts
//       72     8 holds
//       80     8 remembered ids
//       88     4 ledgers
//       96     8 timestamp of the transfer accepted last
//      104     8 transfers accepted since the first
export function writeHead(state: DomainState): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES);
  const view = new DataView(bytes.buffer);
  const kernel = state.ledger;
  view.setUint32(0, IMAGE_VERSION, true);
  view.setBigUint64(8, BigInt(state.configuration.version), true);
  view.setUint32(16, state.configuration.dedupeWindowSeconds, true);
  view.setUint32(20, state.configuration.rulesVersion, true);
  view.setBigUint64(24, BigInt(state.configuration.dedupeBytesMax), true);
  view.setBigUint64(32, state.lastTimeNs, true);
  view.setBigUint64(40, BigInt(state.position), true);
  view.setUint32(48, kernel.books.mix[0]!, true);
  view.setUint32(52, kernel.books.mix[1]!, true);
  view.setBigUint64(56, BigInt(kernel.remembered.edge), true);
  view.setBigUint64(64, BigInt(kernel.accounts.count), true);
  view.setBigUint64(72, BigInt(kernel.holds.count), true);
  view.setBigUint64(80, BigInt(kernel.remembered.count), true);
  view.setUint32(88, kernel.ledgers.count, true);
  view.setUint32(96, kernel.lastTransferTime[0]!, true);
  view.setUint32(100, kernel.lastTransferTime[1]!, true);
  view.setBigUint64(104, BigInt(kernel.transfersAccepted), true);
  return bytes;
}
