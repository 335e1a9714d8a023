// One session with a ZooKeeper ensemble over one connection at a time. Three things here are not
// what the usual clients do, and are why this one exists (docs/adr/0011-own-zookeeper-client.md):
//
//   silence   a server that leaves a request unanswered for two fifths of the session's time, or
//             its greeting for a quarter, is left: a frozen server still accepts connections
//   evidence  the sign of life is `sync`, which the ensemble's leader answers, not `ping`, which a
//             server cut off from it goes on answering; and it counts from when it was sent, so a
//             process that was paused believes no answer that lay waiting for it
//   expiry    when the ensemble gave no evidence for the session's whole time the session is over,
//             without waiting for a server to say so
//
// After `onExpired` or `close` the object is of no further use: make a new one.

import { type Socket, connect } from 'node:net';
import { ConnectionLost, KeeperCode, KeeperError, SessionExpired } from './errors.ts';
import { JuteReader, JuteWriter, type NodeStat } from './jute.ts';
import { PacketReader } from './packets.ts';

const Op = {
  create: 1,
  delete: 2,
  getData: 4,
  setData: 5,
  sync: 9,
  children: 12,
  close: -11,
} as const;

const XID_EVENT = -1;
const PASSWORD_BYTES = 16;
const ALL_PERMISSIONS = 31;
const ANY_VERSION = -1;

/** Between two rounds over all servers of which none answered: doubled each time. */
const ROUND_PAUSE_MS = 20;
const ROUND_PAUSE_MS_MAX = 250;
/** How often patience with a greeting doubles, as many rounds went by in vain. */
const PATIENCE_DOUBLINGS_MAX = 4;
const CLOSE_MS_MAX = 1000;

export type ServerAddress = { readonly host: string; readonly port: number };

export type SessionOptions = {
  readonly servers: readonly ServerAddress[];
  /** Asked for; the ensemble may give another. */
  readonly sessionMs: number;
  /** Any path: what `sync` wants to be asked about. */
  readonly path: string;
  readonly onConnected: () => void;
  /** For each connection that ended or could not be made. */
  readonly onDisconnected: (reason: string) => void;
  /** Called once, after everything under way was rejected with SessionExpired. */
  readonly onExpired: (reason: string) => void;
  /** A watch fired: something changed at the path. */
  readonly onEvent: (path: string) => void;
};

type Waiting = {
  readonly doing: string;
  readonly sentMs: number;
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
  /** Servers tried since the last that greeted. */
  #tried = 0;
  /** When the connection, or its greeting, was begun. */
  #begunMs = 0;
  /** When the request was sent whose answer is the newest evidence that the session lives. */
  #evidenceMs = 0;
  #lookedMs = performance.now();
  #xid = 0;
  /** In the order of their sending, which is that of their answers. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #timer: NodeJS.Timeout;
  #retry: NodeJS.Timeout | undefined;
  #recheck: NodeJS.Immediate | undefined;
  #closing: PromiseWithResolvers<void> | undefined;

  constructor(options: SessionOptions, firstServer: number) {
    this.#options = options;
    this.#sessionMs = options.sessionMs;
    this.#server = firstServer % options.servers.length;
    this.#timer = setInterval(() => this.#tick(), Math.max(5, options.sessionMs / 30));
    this.#connect();
  }

  /** As the ensemble granted it. */
  get sessionMs(): number {
    return this.#sessionMs;
  }

  get isConnected(): boolean {
    return this.#state === 'connected' && this.#closing === undefined;
  }

  /**
   * Until when the ensemble cannot have ended the session. Half of its time after the evidence: the
   * ensemble's leader may have counted from a sign of life that was older by one of ours (a sixth)
   * and by half a tick of its own (up to a quarter).
   */
  get aliveUntilMs(): number {
    return this.#state === 'ended' ? 0 : this.#evidenceMs + this.#sessionMs / 2;
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
    await this.#request(Op.delete, `delete ${path}`, (writer) => {
      writer.string(path).int(ANY_VERSION);
    });
  }

  /** A change of the node's data, or its end, is an event at `path`. */
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

  /** What was written anywhere before can be read here afterwards. */
  async sync(): Promise<void> {
    const { path } = this.#options;
    await this.#request(Op.sync, `sync ${path}`, (writer) => writer.string(path));
  }

  /**
   * Ends the session at the ensemble, so that what goes with it goes at once. Where nobody can be
   * reached it is left to end by itself. Never rejects.
   */
  async close(): Promise<void> {
    if (this.#state === 'ended') return;
    if (this.#closing === undefined) {
      const closing = Promise.withResolvers<void>();
      this.#closing = closing;
      // Before the first greeting there is nothing that could outlive the connection.
      const waitMs = this.#sessionId === 0n ? 0 : Math.min(this.#sessionMs, CLOSE_MS_MAX);
      const deadline = setTimeout(() => this.#end('it was closed', { tell: false }), waitMs);
      void closing.promise.then(() => clearTimeout(deadline));
      if (this.#state === 'connected') this.#sendClose();
    }
    await this.#closing.promise;
  }

  #sendClose(): void {
    // Lost on the way: it is sent again after the next greeting, or the session ends by itself.
    this.#send(Op.close, 'close the session', () => undefined).then(
      () => this.#end('it was closed', { tell: false }),
      () => undefined,
    );
  }

  #request(
    type: number,
    doing: string,
    fill: (writer: JuteWriter) => unknown,
  ): Promise<JuteReader> {
    if (this.#state === 'ended') return Promise.reject(new SessionExpired('the session is over'));
    if (!this.isConnected) {
      return Promise.reject(new ConnectionLost(`not connected: ${doing} was not sent`));
    }
    return this.#send(type, doing, fill);
  }

  #send(type: number, doing: string, fill: (writer: JuteWriter) => unknown): Promise<JuteReader> {
    this.#xid = this.#xid === 0x7fff_ffff ? 1 : this.#xid + 1;
    const writer = new JuteWriter().int(this.#xid).int(type);
    fill(writer);
    const { promise, resolve, reject } = Promise.withResolvers<JuteReader>();
    this.#waiting.set(this.#xid, { doing, sentMs: performance.now(), resolve, reject });
    this.#socket?.write(writer.packet());
    return promise;
  }

  #connect(): void {
    const server = this.#options.servers[this.#server]!;
    this.#state = 'connecting';
    this.#begunMs = performance.now();
    const packets = new PacketReader();
    const socket = connect({ host: server.host, port: server.port, noDelay: true });
    this.#socket = socket;
    socket.on('connect', () => {
      if (socket === this.#socket) this.#greet(socket);
    });
    socket.on('data', (chunk: Buffer) => this.#take(socket, packets, chunk));
    socket.on('error', (error) => this.#leave(socket, error.message));
    socket.on('close', () => this.#leave(socket, 'the server closed the connection'));
  }

  #greet(socket: Socket): void {
    this.#state = 'greeting';
    this.#begunMs = performance.now();
    const writer = new JuteWriter().int(0).long(this.#lastZxid).int(this.#options.sessionMs);
    writer.long(this.#sessionId).buffer(this.#password).bool(false);
    socket.write(writer.packet());
  }

  /** The connection is of no use any more: on to the next server. */
  #leave(socket: Socket, reason: string): void {
    if (socket !== this.#socket || this.#state === 'ended') return;
    const server = this.#options.servers[this.#server]!;
    this.#socket = undefined;
    socket.destroy();
    this.#state = 'connecting';
    this.#rejectAll(new ConnectionLost(reason));
    const count = this.#options.servers.length;
    this.#server = (this.#server + 1) % count;
    this.#tried += 1;
    const rounds = Math.floor(this.#tried / count);
    const isRoundOver = this.#tried % count === 0;
    const pauseMs = isRoundOver ? ROUND_PAUSE_MS * 2 ** Math.min(rounds - 1, 8) : 0;
    this.#retry = setTimeout(
      () => {
        if (this.#state !== 'ended') this.#connect();
      },
      Math.min(pauseMs, ROUND_PAUSE_MS_MAX),
    );
    this.#options.onDisconnected(`${server.host}:${server.port}: ${reason}`);
  }

  #rejectAll(error: Error): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }

  /** Looks after a pause of this process only when what came in meanwhile has been read. */
  #tick(): void {
    const nowMs = performance.now();
    const wasPaused = nowMs - this.#lookedMs > this.#sessionMs / 5;
    this.#lookedMs = nowMs;
    clearImmediate(this.#recheck);
    if (wasPaused) this.#recheck = setImmediate(() => this.#look());
    else this.#look();
  }

  /** The end of the session's time, a silent server, the next sign of life. */
  #look(): void {
    if (this.#state === 'ended') return;
    const nowMs = performance.now();
    if (this.#sessionId !== 0n && nowMs - this.#evidenceMs > this.#sessionMs) {
      this.#end(`the ensemble gave no sign of life for ${this.#sessionMs} ms`, { tell: true });
      return;
    }
    const socket = this.#socket;
    if (socket === undefined) return;
    if (this.#state !== 'connected') {
      const rounds = Math.floor(this.#tried / this.#options.servers.length);
      const doublings = Math.min(rounds, PATIENCE_DOUBLINGS_MAX);
      const patienceMs = (this.#sessionMs / 4) * 2 ** doublings;
      if (nowMs - this.#begunMs > patienceMs) this.#leave(socket, 'the server does not answer');
      return;
    }
    const [oldest] = this.#waiting.values();
    if (oldest !== undefined && nowMs - oldest.sentMs > this.#sessionMs * 0.4) {
      const silentMs = Math.round(nowMs - oldest.sentMs);
      this.#leave(socket, `the server was silent for ${silentMs} ms`);
    } else if (oldest === undefined && nowMs - this.#evidenceMs > this.#sessionMs / 6) {
      this.sync().catch(() => undefined);
    }
  }

  #take(socket: Socket, packets: PacketReader, chunk: Buffer): void {
    if (socket !== this.#socket) return;
    packets.add(chunk);
    for (;;) {
      let act: () => void;
      try {
        const packet = packets.next();
        if (packet === undefined) return;
        const reader = new JuteReader(packet);
        act = this.#state === 'greeting' ? this.#greeted(reader) : this.#answered(reader);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        this.#leave(socket, `the server sent what cannot be read: ${error.message}`);
        return;
      }
      act();
      if (socket !== this.#socket) return;
    }
  }

  #greeted(answer: JuteReader): () => void {
    answer.int();
    const sessionMs = answer.int();
    const sessionId = answer.long();
    const password = Buffer.from(answer.buffer());
    return () => {
      if (sessionMs <= 0) {
        this.#end('the ensemble says that the session is over', { tell: true });
        return;
      }
      this.#sessionMs = sessionMs;
      this.#sessionId = sessionId;
      this.#password = password;
      this.#evidenceMs = this.#begunMs;
      this.#tried = 0;
      this.#state = 'connected';
      if (this.#closing === undefined) this.#options.onConnected();
      else this.#sendClose();
    };
  }

  #answered(answer: JuteReader): () => void {
    const xid = answer.int();
    const zxid = answer.long();
    const code = answer.int();
    if (xid === XID_EVENT) {
      answer.int();
      answer.int();
      const path = answer.string();
      return () => this.#options.onEvent(path);
    }
    const waiting = this.#waiting.get(xid);
    if (waiting === undefined) throw new RangeError(`an answer to request ${xid}, which is not`);
    return () => {
      this.#waiting.delete(xid);
      if (zxid > 0n) this.#lastZxid = zxid;
      if (code === KeeperCode.sessionExpired || code === KeeperCode.sessionMoved) {
        waiting.reject(new ConnectionLost(`${waiting.doing}: the session is not here (${code})`));
        this.#leave(this.#socket!, `the session is not at this server any more (${code})`);
        return;
      }
      if (isEvidence(waiting.doing, code)) this.#evidenceMs = waiting.sentMs;
      if (code === 0) waiting.resolve(answer);
      else waiting.reject(new KeeperError(code, waiting.doing));
    };
  }

  #end(reason: string, { tell }: { readonly tell: boolean }): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    clearImmediate(this.#recheck);
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#rejectAll(new SessionExpired(reason));
    if (this.#closing !== undefined) this.#closing.resolve();
    else if (tell) this.#options.onExpired(reason);
  }
}

/** Reads are answered by the server itself; these by the ensemble's leader. */
function isEvidence(doing: string, code: number): boolean {
  return code === 0 && /^(?:sync|create|set|delete) /.test(doing);
}
