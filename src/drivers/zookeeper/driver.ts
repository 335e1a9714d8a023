// The ZooKeeper driver of the coordinator. Members and candidates are nodes that go with the
// session; the line is ZooKeeper's own numbering; the leader's note stays and is changed by
// compare-and-set.
//
//   <path>/members/<guid>        data: {"id", "detail"}
//   <path>/line/<guid>_<number>  data: id of the member
//   <path>/leader                data: {"epoch", "memberId", "detail"}
//
// Everything that is wanted is brought about by one loop (`#reconcile`) that looks at what is there
// and makes up the difference, after every connect, event and wish and now and then without: so it
// does not matter which answer was lost in between. A create whose answer was lost is found again
// by its guid, after a `sync`; guids are made anew for each session, so that a node which a session
// left behind is never taken for one of the next.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import {
  type Candidacy,
  type Coordinator,
  type CoordinatorGuarantees,
  type CoordinatorHealth,
  type LeaderNote,
  type Member,
} from '../../ports/coordinator.ts';
import {
  CoordinatorView,
  checkDetail,
  checkSelf,
  wasClosed,
} from '../../ports/coordinator-view.ts';
import { KeeperCode, isKeeperError, isTransient, noneThere } from './errors.ts';
import { Line } from './line.ts';
import { type ZooKeeperOptions, serversOf } from './options.ts';
import { readLeaderNote, readMember } from './records.ts';
import { type ServerAddress, ZooKeeperSession } from './session.ts';

const PERSISTENT = 0;
const EPHEMERAL = 1;
const ANY_VERSION = -1;

export function createCoordinator(options: ZooKeeperOptions): Coordinator {
  return new ZooKeeperCoordinator(options, serversOf(options));
}

class ZooKeeperCoordinator implements Coordinator {
  readonly #options: ZooKeeperOptions;
  readonly #servers: readonly ServerAddress[];
  readonly #view = new CoordinatorView();
  readonly #line: Line;
  #session: ZooKeeperSession | undefined;
  #self: { readonly id: string; detail: string } | undefined;
  /** Name and data of this member's node in the present session. */
  #memberName = '';
  #memberData = '';
  #hasTree = false;
  /** Whether this connection's server has caught up with what was written before. */
  #isSynced = false;
  #wanted = false;
  #working: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #trouble = '';
  readonly #first = Promise.withResolvers<void>();
  readonly #end = new AbortController();

  constructor(options: ZooKeeperOptions, servers: readonly ServerAddress[]) {
    this.#options = options;
    this.#servers = servers;
    this.#line = new Line(`${options.path}/line`, () => this.#want());
    this.#first.promise.catch(() => undefined);
  }

  get guarantees(): CoordinatorGuarantees {
    const sessionMs = this.#session?.sessionMs ?? this.#options.sessionMs;
    return { scope: 'network', sessionMs };
  }

  async open(
    self: { readonly id: string; readonly detail: string },
    signal: AbortSignal,
  ): Promise<void> {
    assert(this.#self === undefined, 'a coordinator is opened once');
    checkSelf(self);
    signal.throwIfAborted();
    if (this.#closed !== undefined) throw wasClosed();
    this.#self = { id: self.id, detail: self.detail };
    const abort = (): void => this.#first.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    this.#begin();
    this.#timer = setInterval(() => this.#want(), this.#options.sessionMs);
    try {
      await this.#first.promise;
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  update(detail: string): void {
    checkDetail(detail);
    if (this.#self !== undefined) this.#self.detail = detail;
    this.#want();
  }

  members(): readonly Member[] {
    return this.#view.members;
  }

  leader(): LeaderNote | undefined {
    return this.#view.leader;
  }

  health(): CoordinatorHealth {
    return this.#view.health;
  }

  subscribe(listener: () => void): () => void {
    return this.#view.subscribe(listener);
  }

  async campaign(signal: AbortSignal): Promise<Candidacy> {
    assert(this.#self !== undefined, 'a coordinator is opened before a campaign');
    signal.throwIfAborted();
    if (this.#closed !== undefined) throw wasClosed();
    return await this.#line.stand(signal);
  }

  async noteLeader(note: LeaderNote, signal: AbortSignal): Promise<boolean> {
    checkDetail(note.detail);
    for (;;) {
      const session = await this.#connected(signal);
      try {
        const known = await this.#tryNote(session, note);
        if (known === undefined) continue;
        this.#learn(this.#view.members, known);
        this.#want();
        return known.epoch === note.epoch && known.memberId === note.memberId;
      } catch (error) {
        if (isTransient(error)) continue;
        this.#tellTrouble(error);
        // Aborted: told with its reason at the next turn.
        const pauseMs = this.#options.sessionMs / 4;
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer);
    this.#end.abort(wasClosed());
    this.#first.reject(wasClosed());
    this.#line.close(wasClosed());
    await this.#session?.close();
    await this.#working;
    this.#view.close();
  }

  #begin(): void {
    this.#memberName = randomUUID();
    this.#memberData = '';
    this.#session = new ZooKeeperSession(
      {
        servers: this.#servers,
        sessionMs: this.#options.sessionMs,
        path: this.#options.path,
        onConnected: () => {
          this.#isSynced = false;
          this.#want();
        },
        onDisconnected: (reason) => this.#view.feel(false, `${reason}.`),
        onExpired: (reason) => this.#expired(reason),
        onEvent: () => this.#want(),
      },
      Math.floor(Math.random() * this.#servers.length),
    );
    this.#line.session = this.#session;
  }

  /** Everything that went with the session is gone: a new one, and the wishes are made again. */
  #expired(reason: string): void {
    const sentence = `The ZooKeeper session expired: ${reason}.`;
    this.#options.log('warning', sentence);
    this.#hasTree = false;
    this.#line.lose(sentence);
    if (this.#closed === undefined) this.#begin();
    this.#view.feel(false, sentence);
  }

  #want(): void {
    this.#wanted = true;
    if (this.#working !== undefined || this.#closed !== undefined) return;
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
      if (this.#wanted && this.#session?.isConnected === true) this.#want();
    });
  }

  async #work(): Promise<void> {
    while (this.#wanted && this.#closed === undefined) {
      const session = this.#session;
      if (session?.isConnected !== true) return;
      this.#wanted = false;
      try {
        await this.#reconcile(session);
        this.#trouble = '';
        if (session.isConnected) this.#view.feel(true, 'Connected.');
        this.#first.resolve();
      } catch (error) {
        this.#wanted = true;
        if (isTransient(error)) continue;
        // Also a node of ours that somebody removed: everything is looked at again.
        this.#hasTree = false;
        this.#memberData = '';
        if (!isKeeperError(error, KeeperCode.noNode)) this.#tellTrouble(error);
        await sleep(this.#options.sessionMs / 10);
      }
    }
  }

  async #reconcile(session: ZooKeeperSession): Promise<void> {
    if (!this.#isSynced) {
      await session.sync();
      this.#isSynced = true;
    }
    if (!this.#hasTree) await this.#makeTree(session);
    await this.#line.reconcile(session, this.#self?.id ?? '');
    await this.#beMember(session);
    const [members, note] = await Promise.all([
      this.#readMembers(session),
      session.getData(`${this.#options.path}/leader`).catch(noneThere),
    ]);
    // A node that is not there cannot be watched: its making is a change of the folder's children.
    if (note === undefined) await session.children(this.#options.path);
    this.#learn(members, note && readLeaderNote(note.data));
  }

  /** The note that stands there afterwards; undefined when somebody else was quicker. */
  async #tryNote(session: ZooKeeperSession, note: LeaderNote): Promise<LeaderNote | undefined> {
    const path = `${this.#options.path}/leader`;
    const data = Buffer.from(JSON.stringify(note));
    try {
      await session.sync();
      const there = await session.getData(path).catch(noneThere);
      const known = there && readLeaderNote(there.data);
      if (known !== undefined && known.epoch >= note.epoch) return known;
      if (there === undefined) await session.create(path, data, PERSISTENT);
      else await session.setData(path, data, there.stat.version);
      return note;
    } catch (error) {
      const isRace =
        isKeeperError(error, KeeperCode.badVersion) || isKeeperError(error, KeeperCode.nodeExists);
      if (isKeeperError(error, KeeperCode.noNode)) await this.#makeTree(session);
      else if (!isRace) throw error;
      return undefined;
    }
  }

  async #makeTree(session: ZooKeeperSession): Promise<void> {
    const names = this.#options.path.split('/').slice(1);
    const paths = names.map((_, index) => `/${names.slice(0, index + 1).join('/')}`);
    const { path: root } = this.#options;
    for (const path of [...paths, `${root}/members`, `${root}/line`]) {
      await session.create(path, Buffer.alloc(0), PERSISTENT).catch((error: unknown) => {
        if (!isKeeperError(error, KeeperCode.nodeExists)) throw error;
      });
    }
    this.#hasTree = true;
  }

  async #beMember(session: ZooKeeperSession): Promise<void> {
    const data = JSON.stringify(this.#self);
    if (data === this.#memberData) return;
    const path = `${this.#options.path}/members/${this.#memberName}`;
    try {
      await session.create(path, Buffer.from(data), EPHEMERAL);
    } catch (error) {
      if (!isKeeperError(error, KeeperCode.nodeExists)) throw error;
      await session.setData(path, Buffer.from(data), ANY_VERSION);
    }
    this.#memberData = data;
  }

  /** The newest node of each id: a process that died may still be there for its session's time. */
  async #readMembers(session: ZooKeeperSession): Promise<Member[]> {
    const folder = `${this.#options.path}/members`;
    const names = await session.children(folder);
    if (!names.includes(this.#memberName)) {
      this.#memberData = '';
      this.#wanted = true;
    }
    const byId = new Map<string, { readonly member: Member; readonly createdZxid: bigint }>();
    const nodes = await Promise.all(
      names.map((name) => session.getData(`${folder}/${name}`).catch(noneThere)),
    );
    for (const node of nodes) {
      const member = node && readMember(node.data, node.stat.createdAtMs);
      if (node === undefined || member === undefined) continue;
      const { createdZxid } = node.stat;
      const other = byId.get(member.id);
      if (other === undefined || other.createdZxid < createdZxid) {
        byId.set(member.id, { member, createdZxid });
      }
    }
    const members = [...byId.values()].map(({ member }) => member);
    return members.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  #learn(members: readonly Member[], note: LeaderNote | undefined): void {
    if (this.#closed === undefined) this.#view.learn(members, note);
  }

  async #connected(signal: AbortSignal): Promise<ZooKeeperSession> {
    for (;;) {
      signal.throwIfAborted();
      this.#end.signal.throwIfAborted();
      const session = this.#session;
      if (session?.isConnected === true) return session;
      const either = AbortSignal.any([signal, this.#end.signal]);
      await sleep(Math.max(5, this.#options.sessionMs / 50), undefined, { signal: either }).catch(
        () => undefined,
      );
    }
  }

  /** What waiting does not mend, such as missing rights: told once, tried on. */
  #tellTrouble(error: unknown): void {
    const trouble = String(error);
    if (trouble !== this.#trouble) this.#options.log('warning', `ZooKeeper: ${trouble}`);
    this.#trouble = trouble;
    this.#view.feel(false, `${trouble}.`);
  }
}
