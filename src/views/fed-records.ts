// Reads the records that views are fed with: ids as the API shows them, amounts and times as
// numbers. Made for hundreds of thousands a second: text of ids comes from their bytes at once.

import { ID_PREFIX } from '../base/ids.ts';
import { TRANSFER_BYTES, TransferFlag, TransferOffset } from '../base/transfer-record.ts';

const ZERO_ID = '0'.repeat(32);
const NS_PER_SECOND = 1_000_000_000n;

export type FedKind = 'transfer' | 'hold' | 'post' | 'void';

export class FedRecords {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly count: number;

  constructor(records: Uint8Array<ArrayBuffer>) {
    const { buffer, byteOffset, byteLength } = records;
    this.#bytes = Buffer.from(buffer, byteOffset, byteLength);
    this.#view = new DataView(buffer, byteOffset, byteLength);
    this.count = byteLength / TRANSFER_BYTES;
  }

  id(index: number): string {
    return ID_PREFIX.transfer + this.#hex(index, TransferOffset.id);
  }

  debitAccount(index: number): string {
    return ID_PREFIX.account + this.#hex(index, TransferOffset.debitAccountId);
  }

  creditAccount(index: number): string {
    return ID_PREFIX.account + this.#hex(index, TransferOffset.creditAccountId);
  }

  /** The hold that it posts or voids. */
  pendingId(index: number): string {
    return ID_PREFIX.transfer + this.#hex(index, TransferOffset.pendingId);
  }

  /** Null = none. */
  userData128(index: number): string | null {
    const hex = this.#hex(index, TransferOffset.userData128);
    return hex === ZERO_ID ? null : hex;
  }

  amount(index: number): bigint {
    const at = index * TRANSFER_BYTES + TransferOffset.amount;
    const low = this.#view.getBigUint64(at, true);
    const high = this.#view.getBigUint64(at + 8, true);
    return high === 0n ? low : (high << 64n) | low;
  }

  userData64(index: number): bigint {
    return this.#view.getBigUint64(index * TRANSFER_BYTES + TransferOffset.userData64, true);
  }

  userData32(index: number): number {
    return this.#view.getUint32(index * TRANSFER_BYTES + TransferOffset.userData32, true);
  }

  ledger(index: number): number {
    return this.#view.getUint32(index * TRANSFER_BYTES + TransferOffset.ledger, true);
  }

  code(index: number): number {
    return this.#view.getUint16(index * TRANSFER_BYTES + TransferOffset.code, true);
  }

  flags(index: number): number {
    return this.#view.getUint16(index * TRANSFER_BYTES + TransferOffset.flags, true);
  }

  timestampNs(index: number): bigint {
    return this.#view.getBigUint64(index * TRANSFER_BYTES + TransferOffset.timestampNs, true);
  }

  /** Of a hold; null = never. */
  expiresNs(index: number): bigint | null {
    const at = index * TRANSFER_BYTES + TransferOffset.timeoutSeconds;
    const seconds = this.#view.getUint32(at, true);
    return seconds === 0 ? null : this.timestampNs(index) + BigInt(seconds) * NS_PER_SECOND;
  }

  kind(index: number): FedKind {
    const flags = this.flags(index);
    if ((flags & TransferFlag.pending) !== 0) return 'hold';
    if ((flags & TransferFlag.postPending) !== 0) return 'post';
    return (flags & TransferFlag.voidPending) === 0 ? 'transfer' : 'void';
  }

  #hex(index: number, offset: number): string {
    const at = index * TRANSFER_BYTES + offset;
    return this.#bytes.toString('hex', at, at + 16);
  }
}
