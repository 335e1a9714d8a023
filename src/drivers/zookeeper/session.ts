// One session with a ZooKeeper ensemble over one connection at a time. Moves to the next server
// when the present one is silent for two thirds of the session's time, also while it is being
// greeted: a frozen server still accepts connections. When no server was heard for the whole time
// the session counts as expired, without waiting for a server to say so: whoever holds something
// under it must not believe in it any longer than the others do.
//
// After SessionExpired the object is of no further use: make a new one.

import { type Socket, connect } from 'node:net';
import { ConnectionLost, KeeperError, SessionExpired } from './errors.ts';
import { JuteReader, JuteWriter, type NodeStat } from './jute.ts';

const Op = {
  create: 1,
  delete: 2,
  getData: 4,
  setData: 5,
  sync: 9,
  ping: 11,
  children: 12,
  close: -11,
} as const;

const XID_EVENT = -1;
const XID_PING = -2;
const PASSWORD_BYTES = 16;
const ALL_PERMISSIONS = 31;
const LENGTH_BYTES = 4;
const PACKET_BYTES_MAX = 4 * 1024 * 1024;
/** Between two rounds over all servers that none of them answered. */
const ROUND_PAUSE_MS = 20;

export type ServerAddress = { readonly host: string; readonly port: number };

export type SessionOptions = {
  readonly servers: readonly ServerAddress[];
  /** Asked for; the ensemble may give another. */
  readonly sessionMs: number;
  readonly onConnected: () => void;
  readonly onDisconnected: (reason: string) => void;
  /** Called once, after everything under way was rejected with SessionExpired. */
  readonly onExpired: (reason: string) => void;
  /** A watch fired: something changed at the path. */
  readonly onEvent: (path: string) => void;
};

type Waiting = {
  readonly doing: string;
  readonly resolve: (body: JuteReader) => void;
  readonly reject: (error: Error) => void;
};

type State = 'connecting' | 'greeting' | 'connected' | 'ended';

export class ZooKeeperSession {
  readonly #options: SessionOptions;
  #sessionMs: number;
  #sessionId = 0n;
  #password = Buffer.alloc(PASSWORD_BYTES);
  #lastZxid = 0n;
  #state: State = 'connecting';
  #socket: Socket | undefined;
  #server: number;
  #tried = 0;
  #heardMs = performance.now();
  /** When the ensemble last said that the session lives. */
  #aliveMs = performance.now();
  #sentMs = 0;
  #xid = 0;
  #received = Buffer.alloc(0);
  readonly #waiting = new Map<number, Waiting>();
  readonly #timer: NodeJS.Timeout;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: SessionOptions, firstServer: number) {
    this.#options = options;
    this.#sessionMs = options.sessionMs;
    this.#server = firstServer % options.servers.length;
    this.#timer = setInterval(() => this.#look(), Math.max(5, options.sessionMs / 20));
    this.#connect();
  }

  /** As the ensemble granted it. */
  get sessionMs(): number {
    return this.#sessionMs;
  }

  get id(): bigint {
    return this.#sessionId;
  }

  get isConnected(): boolean {
    return this.#state === 'connected';
  }

  /** `flags`: 0 = stays, 1 = goes with the session, 2 = numbered, 3 = both. Gives the full path. */
  async create(path: string, data: Uint8Array, flags: 0 | 1 | 2 | 3): Promise<string> {
    const answer = await this.#request(Op.create, `create ${path}`, (writer) => {
      writer.string(path).buffer(data).int(1).int(ALL_PERMISSIONS);
      writer.string('world').string('anyone').int(flags);
    });
    return answer.string();
  }

  async delete(path: string): Promise<void> {
    await this.#request(Op.delete, `delete ${path}`, (writer) => writer.string(path).int(-1));
  }

  async getData(path: string): Promise<{ readonly data: Buffer; readonly stat: NodeStat }> {
    const answer = await this.#request(Op.getData, `get ${path}`, (writer) => {
      writer.string(path).bool(true);
    });
    return { data: Buffer.from(answer.buffer()), stat: answer.stat() };
  }

  /** `version` -1 = whatever is there. */
  async setData(path: string, data: Uint8Array, version: number): Promise<void> {
    await this.#request(Op.setData, `set ${path}`, (writer) => {
      writer.string(path).buffer(data).int(version);
    });
  }

  /** Names of the children; a change of them is an event at `path`. */
  async children(path: string): Promise<string[]> {
    const answer = await this.#request(Op.children, `list ${path}`, (writer) => {
      writer.string(path).bool(true);
    });
    return answer.strings();
  }

  /** What was written before anywhere can be read here afterwards. */
  async sync(path: string): Promise<void> {
    await this.#request(Op.sync, `sync ${path}`, (writer) => writer.string(path));
  }

  /** Ends the session at once at the ensemble, where it can be reached. */
  async close(): Promise<void> {
    if (this.#state === 'ended') return;
    try {
      if (this.#state === 'connected') {
        await this.#request(Op.close, 'close the session', () => undefined);
      }
    } catch {
      // It ends by itself after its time.
    }
    this.#end('it was closed', { tell: false });
  }

  #request(
    type: number,
    doing: string,
    fill: (writer: JuteWriter) => unknown,
  ): Promise<JuteReader> {
    if (this.#state === 'ended') return Promise.reject(new SessionExpired('the session is over'));
    if (this.#state !== 'connected') {
      return Promise.reject(new ConnectionLost(`not connected: ${doing} was not sent`));
    }
    this.#xid = this.#xid === 0x7fff_ffff ? 1 : this.#xid + 1;
    const xid = this.#xid;
    const writer = new JuteWriter().int(xid).int(type);
    fill(writer);
    const { promise, resolve, reject } = Promise.withResolvers<JuteReader>();
    this.#waiting.set(xid, { doing, resolve, reject });
    this.#send(writer.packet());
    return promise;
  }

  #send(packet: Buffer): void {
    this.#sentMs = performance.now();
    this.#socket?.write(packet);
  }

  #connect(): void {
    const server = this.#options.servers[this.#server]!;
    this.#state = 'connecting';
    this.#received = Buffer.alloc(0);
    this.#heardMs = performance.now();
    const socket = connect({ host: server.host, port: server.port, noDelay: true });
    this.#socket = socket;
    socket.on('connect', () => this.#greet());
    socket.on('data', (chunk: Buffer) => {
      if (socket === this.#socket) this.#take(chunk);
    });
    socket.on('error', (error) => this.#leave(socket, error.message));
    socket.on('close', () => this.#leave(socket, 'the server closed the connection'));
  }

  #greet(): void {
    this.#state = 'greeting';
    this.#heardMs = performance.now();
    const writer = new JuteWriter().int(0).long(this.#lastZxid).int(this.#options.sessionMs);
    writer.long(this.#sessionId).buffer(this.#password).bool(false);
    this.#send(writer.packet());
  }

  /** The connection is of no use any more: on to the next server. */
  #leave(socket: Socket, reason: string): void {
    if (socket !== this.#socket || this.#state === 'ended') return;
    const wasConnected = this.#state === 'connected';
    this.#socket = undefined;
    socket.destroy();
    this.#state = 'connecting';
    const lost = new ConnectionLost(reason);
    for (const { reject } of this.#waiting.values()) reject(lost);
    this.#waiting.clear();
    if (wasConnected) this.#options.onDisconnected(reason);
    this.#server = (this.#server + 1) % this.#options.servers.length;
    this.#tried += 1;
    const pauseMs = this.#tried % this.#options.servers.length === 0 ? ROUND_PAUSE_MS : 0;
    this.#retry = setTimeout(() => {
      if (this.#state !== 'ended') this.#connect();
    }, pauseMs);
  }

  /** Looked at often: silence, the next ping, the end of the session's time. */
  #look(): void {
    const nowMs = performance.now();
    if (this.#sessionId !== 0n && nowMs - this.#aliveMs > this.#sessionMs) {
      this.#end(`no server was heard for ${this.#sessionMs} ms`, { tell: true });
      return;
    }
    const socket = this.#socket;
    if (socket === undefined) return;
    const silentMs = nowMs - this.#heardMs;
    const silentMsMax =
      this.#state === 'connected' ? (this.#sessionMs * 2) / 3 : this.#sessionMs / 3;
    if (silentMs > silentMsMax) {
      this.#leave(socket, `the server was silent for ${Math.round(silentMs)} ms`);
    } else if (this.#state === 'connected' && nowMs - this.#sentMs > this.#sessionMs / 4) {
      this.#send(new JuteWriter().int(XID_PING).int(Op.ping).packet());
    }
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.byteLength >= LENGTH_BYTES) {
      const length = this.#received.readInt32BE(0);
      if (length < 0 || length > PACKET_BYTES_MAX) {
        this.#leave(this.#socket!, `the server sent a packet of ${length} bytes`);
        return;
      }
      if (this.#received.byteLength < LENGTH_BYTES + length) return;
      const packet = this.#received.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
      this.#received = this.#received.subarray(LENGTH_BYTES + length);
      this.#heardMs = performance.now();
      try {
        if (this.#state === 'greeting') this.#greeted(new JuteReader(packet));
        else this.#answered(new JuteReader(packet));
      } catch (error) {
        if (!(error instanceof RangeError) || this.#socket === undefined) throw error;
        this.#leave(this.#socket, `the server sent what cannot be read: ${error.message}`);
      }
      if (this.#state !== 'connected') return;
    }
  }

  #greeted(answer: JuteReader): void {
    answer.int();
    const sessionMs = answer.int();
    const sessionId = answer.long();
    const password = Buffer.from(answer.buffer());
    if (sessionMs <= 0) {
      this.#end('the ensemble says that the session is over', { tell: true });
      return;
    }
    this.#sessionMs = sessionMs;
    this.#sessionId = sessionId;
    this.#password = password;
    this.#aliveMs = performance.now();
    this.#tried = 0;
    this.#state = 'connected';
    this.#options.onConnected();
  }

  #answered(answer: JuteReader): void {
    const xid = answer.int();
    const zxid = answer.long();
    const code = answer.int();
    this.#aliveMs = this.#heardMs;
    if (zxid > 0n) this.#lastZxid = zxid;
    if (xid === XID_PING) return;
    if (xid === XID_EVENT) {
      answer.int();
      answer.int();
      this.#options.onEvent(answer.string());
      return;
    }
    const waiting = this.#waiting.get(xid);
    if (waiting === undefined) return;
    this.#waiting.delete(xid);
    if (code === 0) waiting.resolve(answer);
    else waiting.reject(new KeeperError(code, waiting.doing));
  }

  #end(reason: string, { tell }: { readonly tell: boolean }): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    this.#socket?.destroy();
    this.#socket = undefined;
    const over = new SessionExpired(reason);
    for (const { reject } of this.#waiting.values()) reject(over);
    this.#waiting.clear();
    if (tell) this.#options.onExpired(reason);
  }
}
