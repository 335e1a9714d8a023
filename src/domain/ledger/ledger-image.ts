// The ledger's part of the image (domain/image.ts draws the whole): sections of bounded size, in an
// order that the rules give and not the memory.

import { assert } from '../../base/assert.ts';
import { TRANSFER_BYTES, TRANSFER_WORDS, TransferWord } from '../../base/transfer-record.ts';
import { ACCOUNT_WORDS } from './account-table.ts';
import { LEDGER_TOTAL_WORDS } from './books.ts';
import { compareTime } from './expiry-heap.ts';
import { assertFullSums } from './full-sums.ts';
import { HOLD_WORDS, HoldWord } from './hold-table.ts';
import { hashId } from './id-hash.ts';
import type { LedgerKernel } from './kernel.ts';
import type { LedgerDefinition } from './ledger-table.ts';
import { CHUNK_RECORDS, type RecordChunks } from './record-chunks.ts';
import { idSecond } from './remembered-transfers.ts';

type Section = { readonly name: string; readonly bytes: Uint8Array };

/** What the image's head says of the ledger. */
export type LedgerImage = {
  readonly mix: readonly [number, number];
  readonly edgeSeconds: number;
  readonly ledgers: number;
  readonly accounts: number;
  readonly holds: number;
  readonly remembered: number;
  /** Low and high word. */
  readonly lastTransferTime: readonly [number, number];
  readonly transfersAccepted: number;
};

/** Number, exponent, length of the currency, currency (16); then the totals. */
const LEDGER_BYTES = 32 + 4 * LEDGER_TOTAL_WORDS;
const CURRENCY_OFFSET = 12;
const TOTALS_OFFSET = 32;

export function imageOfLedger(kernel: LedgerKernel): Section[] {
  return [
    { name: 'ledgers', bytes: ledgerBytes(kernel) },
    ...accountSections(kernel),
    ...holdSections(kernel),
    ...rememberedSections(kernel),
  ];
}

function sectionName(kind: string, number: number): string {
  return `${kind}/${number.toString().padStart(6, '0')}`;
}

export function ledgerBytes(kernel: LedgerKernel): Uint8Array {
  const bytes = new Uint8Array(kernel.ledgers.count * LEDGER_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [ordinal, definition] of kernel.ledgers.definitions.entries()) {
    const offset = ordinal * LEDGER_BYTES;
    view.setUint32(offset, definition.ledger, true);
    view.setUint32(offset + 4, definition.exponent, true);
    const currency = new TextEncoder().encode(definition.currency);
    view.setUint32(offset + 8, currency.byteLength, true);
    bytes.set(currency, offset + CURRENCY_OFFSET);
    for (let word = 0; word < LEDGER_TOTAL_WORDS; word++) {
      const value = kernel.books.totals[ordinal * LEDGER_TOTAL_WORDS + word]!;
      view.setUint32(offset + TOTALS_OFFSET + 4 * word, value, true);
    }
  }
  return bytes;
}

function accountSections(kernel: LedgerKernel): Section[] {
  const sections: Section[] = [];
  for (const words of kernel.accounts.chunks()) {
    const bytes = new Uint8Array(words.slice().buffer);
    sections.push({ name: sectionName('accounts', sections.length), bytes });
  }
  return sections;
}

function holdSections(kernel: LedgerKernel): Section[] {
  const records = kernel.holds.records;
  const slots = [...kernel.holds.slots()].sort((a, b) =>
    compareTime(
      records.wordsOf(a),
      records.offsetOf(a) + HoldWord.timestampNs,
      records.wordsOf(b),
      records.offsetOf(b) + HoldWord.timestampNs,
    ),
  );
  assert(slots.length === kernel.holds.count, 'every hold is in the image');
  const sections: Section[] = [];
  for (let first = 0; first < slots.length; first += CHUNK_RECORDS) {
    const some = slots.slice(first, first + CHUNK_RECORDS);
    const target = new Uint32Array(some.length * HOLD_WORDS);
    for (const [place, slot] of some.entries()) {
      const i = records.offsetOf(slot);
      target.set(records.wordsOf(slot).subarray(i, i + HOLD_WORDS), place * HOLD_WORDS);
    }
    const bytes = new Uint8Array(target.buffer);
    sections.push({ name: sectionName('holds', sections.length), bytes });
  }
  return sections;
}

function rememberedSections(kernel: LedgerKernel): Section[] {
  const remembered = kernel.remembered;
  const records = remembered.records;
  const sections: Section[] = [];
  let left = remembered.count;
  let size = 0;
  let place = 0;
  let bytes = new Uint8Array(0);
  let words = new Uint32Array(0);
  for (const slot of slotsById(kernel)) {
    if (place === size) {
      size = Math.min(CHUNK_RECORDS, left);
      left -= size;
      place = 0;
      const buffer = new ArrayBuffer(size * (TRANSFER_BYTES + 1));
      bytes = new Uint8Array(buffer);
      words = new Uint32Array(buffer, 0, size * TRANSFER_WORDS);
      sections.push({ name: sectionName('remembered', sections.length), bytes });
    }
    const source = records.wordsOf(slot);
    const i = records.offsetOf(slot);
    for (let word = 0; word < TRANSFER_WORDS; word++) {
      words[place * TRANSFER_WORDS + word] = source[i + word]!;
    }
    bytes[size * TRANSFER_BYTES + place] = remembered.statusOf(slot);
    place += 1;
  }
  assert(left === 0 && place === size, 'every remembered id is in the image');
  return sections;
}

/** By id: which of two ids of one second came first leaves no trace that matters. */
function* slotsById(kernel: LedgerKernel): Generator<number> {
  const records = kernel.remembered.records;
  let slots: number[] = [];
  let second = 0;
  for (const slot of kernel.remembered.slots()) {
    const own = idSecond(records.wordsOf(slot), records.offsetOf(slot) + TransferWord.id);
    if (own !== second) {
      yield* sortById(records, slots);
      slots = [];
      second = own;
    }
    slots.push(slot);
  }
  yield* sortById(records, slots);
}

function sortById(records: RecordChunks, slots: number[]): number[] {
  return slots.sort((a, b) => {
    const x = records.wordsOf(a);
    const y = records.wordsOf(b);
    const i = records.offsetOf(a) + TransferWord.id;
    const j = records.offsetOf(b) + TransferWord.id;
    for (let word = 0; word < 4; word++) {
      const difference = bigEndian(x[i + word]!) - bigEndian(y[j + word]!);
      if (difference !== 0) return difference;
    }
    return 0;
  });
}

/** Ids stand as bytes, the highest first, in words that the machine reads the lowest first. */
function bigEndian(word: number): number {
  const swapped = (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
  return swapped >>> 0;
}

/** Fills an empty kernel; the books are proved by adding up every account. */
export function restoreLedger(
  kernel: LedgerKernel,
  expected: LedgerImage,
  sections: readonly Section[],
): void {
  const names = ['ledgers', 'accounts/', 'holds/', 'remembered/'];
  for (const { name } of sections) {
    assert(
      names.some((prefix) => name.startsWith(prefix)),
      'this release knows every section',
    );
  }
  const [ledgers] = select(sections, 'ledgers');
  assert(ledgers !== undefined, 'an image has its ledgers');
  restoreLedgers(kernel, ledgers.bytes);
  for (const { bytes } of select(sections, 'accounts/')) {
    const words = wordsOf(bytes);
    for (let i = 0; i < words.length; i += ACCOUNT_WORDS) kernel.accounts.add(words, i);
  }
  for (const { bytes } of select(sections, 'holds/')) {
    const words = wordsOf(bytes);
    for (let i = 0; i < words.length; i += HOLD_WORDS) kernel.holds.add(words, i);
  }
  kernel.remembered.raiseEdge(expected.edgeSeconds);
  for (const { bytes } of select(sections, 'remembered/')) {
    restoreRemembered(kernel, bytes);
  }
  finishRestore(kernel, expected);
}

/** What every restore ends with, whatever it began from: the counters, and the proof. */
export function finishRestore(kernel: LedgerKernel, expected: LedgerImage): void {
  kernel.books.mix.set(expected.mix);
  kernel.lastTransferTime.set(expected.lastTransferTime);
  kernel.transfersAccepted = expected.transfersAccepted;
  assert(kernel.ledgers.count === expected.ledgers, 'the image has all ledgers');
  assert(kernel.accounts.count === expected.accounts, 'the image has all accounts');
  assert(kernel.holds.count === expected.holds, 'the image has all holds');
  assert(kernel.remembered.count === expected.remembered, 'the image has all remembered ids');
  kernel.books.assertBalanced(kernel.ledgers.count);
  assertFullSums(kernel);
}

function select(sections: readonly Section[], prefix: string): Section[] {
  return sections.filter((section) => section.name.startsWith(prefix));
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  assert(bytes.byteLength % 4 === 0, 'records are whole words');
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}

export function restoreLedgers(kernel: LedgerKernel, bytes: Uint8Array): void {
  assert(bytes.byteLength % LEDGER_BYTES === 0, 'ledgers are whole records');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.byteLength / LEDGER_BYTES;
  kernel.books.reserve(count);
  for (let ordinal = 0; ordinal < count; ordinal++) {
    const offset = ordinal * LEDGER_BYTES;
    const currencyBytes = view.getUint32(offset + 8, true);
    const start = offset + CURRENCY_OFFSET;
    const definition: LedgerDefinition = {
      ledger: view.getUint32(offset, true),
      exponent: view.getUint32(offset + 4, true),
      currency: new TextDecoder().decode(bytes.subarray(start, start + currencyBytes)),
    };
    kernel.ledgers.add(definition);
    for (let word = 0; word < LEDGER_TOTAL_WORDS; word++) {
      const value = view.getUint32(offset + TOTALS_OFFSET + 4 * word, true);
      kernel.books.totals[ordinal * LEDGER_TOTAL_WORDS + word] = value;
    }
  }
}

function restoreRemembered(kernel: LedgerKernel, bytes: Uint8Array): void {
  const count = bytes.byteLength / (TRANSFER_BYTES + 1);
  assert(Number.isInteger(count), 'remembered ids are whole records');
  const words = wordsOf(bytes.subarray(0, count * TRANSFER_BYTES));
  for (let place = 0; place < count; place++) {
    const i = place * TRANSFER_WORDS;
    const status = bytes[count * TRANSFER_BYTES + place]!;
    const id = i + TransferWord.id;
    kernel.remembered.add(hashId(words, id), idSecond(words, id), words, i, status);
  }
}
