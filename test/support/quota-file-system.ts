// The real file system with a quota over all the driver's files: beyond it writes fail with ENOSPC,
// after writing what still fits, as a disk does it. The lock and its notes are not counted.

import type { FileSystem, OpenFile, OpenMode } from '../../src/drivers/file/file-system.ts';

export class QuotaFileSystem implements FileSystem {
  readonly #inner: FileSystem;
  readonly #sizes = new Map<string, number>();
  /** Room for all files together; may be changed at any time. */
  capacityBytes = Number.MAX_SAFE_INTEGER;
  refusedWrites = 0;

  constructor(inner: FileSystem) {
    this.#inner = inner;
  }

  get usedBytes(): number {
    return [...this.#sizes.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0);
  }

  makeDirectory(path: string): Promise<void> {
    return this.#inner.makeDirectory(path);
  }

  list(directory: string): Promise<readonly string[]> {
    return this.#inner.list(directory);
  }

  async open(path: string, mode: OpenMode): Promise<OpenFile> {
    const file = await this.#inner.open(path, mode);
    this.#sizes.set(path, await file.sizeBytes());
    return {
      sizeBytes: () => file.sizeBytes(),
      read: (target, offset) => file.read(target, offset),
      write: (buffers, offset) => this.#write({ path, file, buffers, offset }),
      isWrittenThrough: file.isWrittenThrough,
      datasync: () => file.datasync(),
      truncate: async (sizeBytes) => {
        await file.truncate(sizeBytes);
        this.#sizes.set(path, sizeBytes);
      },
      close: () => file.close(),
    };
  }

  async rename(source: string, target: string): Promise<void> {
    await this.#inner.rename(source, target);
    this.#sizes.set(target, this.#sizes.get(source) ?? 0);
    this.#sizes.delete(source);
  }

  async remove(path: string): Promise<void> {
    await this.#inner.remove(path);
    this.#sizes.delete(path);
  }

  syncDirectory(directory: string): Promise<void> {
    return this.#inner.syncDirectory(directory);
  }

  typeOf(directory: string): Promise<number> {
    return this.#inner.typeOf(directory);
  }

  lock(...parameters: Parameters<FileSystem['lock']>): ReturnType<FileSystem['lock']> {
    return this.#inner.lock(...parameters);
  }

  async #write(options: {
    readonly path: string;
    readonly file: OpenFile;
    readonly buffers: readonly Uint8Array[];
    readonly offset: number;
  }): Promise<void> {
    const { path, file, buffers, offset } = options;
    const bytes = Buffer.concat(buffers);
    const sizeBytes = this.#sizes.get(path) ?? 0;
    const end = offset + bytes.byteLength;
    const growthBytes = Math.max(0, end - sizeBytes);
    const roomBytes = Math.max(0, this.capacityBytes - this.usedBytes);
    const fittingBytes =
      growthBytes <= roomBytes ? bytes.byteLength : bytes.byteLength - (growthBytes - roomBytes);
    const written = bytes.subarray(0, Math.max(0, fittingBytes));
    if (written.byteLength > 0) {
      await file.write([written], offset);
      this.#sizes.set(path, Math.max(sizeBytes, offset + written.byteLength));
    }
    if (written.byteLength === bytes.byteLength) return;
    this.refusedWrites++;
    throw Object.assign(new Error('ENOSPC: no space left on device (quota)'), { code: 'ENOSPC' });
  }
}
