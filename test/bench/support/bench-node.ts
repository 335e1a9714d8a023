// The node that is measured: `bin/holdfast.js up` as a process of its own, with its default
// settings, on a folder of its own. It ends with this process, however that ends.

import { type BinaryClient, createBinaryClient } from '../../../src/client/binary-client.ts';
import { type Client, createClient } from '../../../src/client/http-client.ts';
import { MEMORY_AHEAD } from './memory-ahead.ts';
import { type Ready, SpawnedNode, keyOf } from '../../support/spawned-node.ts';
import { LEDGER } from './transfer-stream.ts';

const LIFE_MS_MAX = 24 * 3_600_000;
/** A long history is replayed before a node is ready. */
const READY_MS_MAX = 3_600_000;
const DEADLINE_MS = 60_000;
const ACCOUNTS_A_REQUEST = 1024;
/** Requests of accounts that are under way at once. */
const ACCOUNT_REQUESTS = 8;

export type BenchNodeOptions = {
  readonly data: string;
  readonly binaryPort?: number;
  readonly runtimeOptions?: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
};

export class BenchNode implements AsyncDisposable {
  readonly ready: Ready;
  readonly key: string;
  readonly #spawned: SpawnedNode;
  readonly #onExit: () => void;

  private constructor(spawned: SpawnedNode, onExit: () => void, ready: Ready, key: string) {
    this.#spawned = spawned;
    this.#onExit = onExit;
    this.ready = ready;
    this.key = key;
  }

  static async start(options: BenchNodeOptions): Promise<BenchNode> {
    const spawned = new SpawnedNode({
      ...options,
      settings: { HOLDFAST_MEMORY_AHEAD: MEMORY_AHEAD, ...options.settings },
      lifeMsMax: LIFE_MS_MAX,
    });
    const onExit = (): void => spawned.signal('SIGKILL');
    process.prependOnceListener('exit', onExit);
    const ready = await spawned.ready(READY_MS_MAX);
    return new BenchNode(spawned, onExit, ready, await keyOf(ready));
  }

  get pid(): number {
    return this.ready.pid;
  }

  /** One transfer a request unless `gather` is set. */
  binaryClient(options: { readonly gather?: boolean } = {}): BinaryClient {
    return createBinaryClient({
      url: this.ready.binary_url,
      key: this.key,
      deadlineMs: DEADLINE_MS,
      ...(options.gather === true ? {} : { gatherTransfersMax: 1 }),
    });
  }

  httpClient(): Client {
    return createClient({ url: this.ready.url, key: this.key });
  }

  /** The exit status; SIGKILL loses whatever the node did not make durable. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    process.removeListener('exit', this.#onExit);
    return (await this.#spawned.end(signal)).exitCode;
  }

  signal(signal: NodeJS.Signals): void {
    this.#spawned.signal(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}

/** Opens the accounts `first` to `first + count - 1`. */
export async function openAccounts(
  client: BinaryClient,
  options: { readonly first?: number; readonly count: number; readonly flags?: number },
): Promise<void> {
  const { count, first = 1, flags = 0 } = options;
  let opened = 0;
  const loop = async (): Promise<void> => {
    while (opened < count) {
      const begin = first + opened;
      const length = Math.min(ACCOUNTS_A_REQUEST, count - opened);
      opened += length;
      const accounts = Array.from({ length }, (_, index) => ({
        id: BigInt(begin + index),
        ledger: LEDGER,
        code: 1,
        flags,
      }));
      const { results } = await client.accounts.createBatch(accounts);
      const refused = results.find(({ status }) => status === 'refused');
      if (refused !== undefined) throw new Error(`an account was refused: ${refused.code}`);
    }
  };
  await Promise.all(Array.from({ length: ACCOUNT_REQUESTS }, loop));
}
