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
// by its guid.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  Candidacy,
  Coordinator,
  CoordinatorGuarantees,
  CoordinatorHealth,
  LeaderNote,
  Member,
} from '../../ports/coordinator.ts';
import { ConnectionLost, KeeperCode, SessionExpired, isKeeperError } from './errors.ts';
import { type ZooKeeperOptions, serversOf } from './options.ts';
import { readLeaderNote, readMember } from './records.ts';
import { type ServerAddress, ZooKeeperSession } from './session.ts';

const PERSISTENT = 0;
const EPHEMERAL = 1;
const EPHEMERAL_NUMBERED = 3;
const ANY_VERSION = -1;
const NUMBER_DIGITS = 10;

export function createCoordinator(options: ZooKeeperOptions): Coordinator {
  return new ZooKeeperCoordinator(options, serversOf(options));
}

type Campaign = {
  readonly guid: string;
  readonly granted: PromiseWithResolvers<Candidacy>;
  readonly lost: PromiseWithResolvers<string>;
  isGranted: boolean;
};

class ZooKeeperCoordinator implements Coordinator {
  readonly #options: ZooKeeperOptions;
  readonly #servers: readonly ServerAddress[];
  readonly #listeners = new Set<() => void>();
  #session: ZooKeeperSession | undefined;
  #self: { readonly id: string; detail: string } | undefined;
  /** Name and data of this member's node in the present session. */
  #memberName = '';
  #memberData = '';
  #hasTree = false;
  #members: readonly Member[] = [];
  #leader: LeaderNote | undefined;
  #campaign: Campaign | undefined;
  #health: CoordinatorHealth = { connected: false, sinceMs: Date.now(), reason: 'Not opened.' };
  #wanted = false;
  #working: Promise<void> | undefined;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #first = Promise.withResolvers<void>();

  constructor(options: ZooKeeperOptions, servers: readonly ServerAddress[]) {
    this.#options = options;
    this.#servers = servers;
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
    signal.throwIfAborted();
    this.#self = { ...self };
    const abort = (): void => this.#first.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    this.#begin();
    this.#timer = setInterval(() => this.#want(), this.#options.sessionMs);
    try {
      await this.#first.promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  update(detail: string): void {
    if (this.#self !== undefined) this.#self.detail = detail;
    this.#want();
  }

  members(): readonly Member[] {
    return this.#members;
  }

  leader(): LeaderNote | undefined {
    return this.#leader;
  }

  health(): CoordinatorHealth {
    return this.#health;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async campaign(signal: AbortSignal): Promise<Candidacy> {
    signal.throwIfAborted();
    const campaign: Campaign = {
      guid: randomUUID(),
      granted: Promise.withResolvers(),
      lost: Promise.withResolvers(),
      isGranted: false,
    };
    this.#campaign = campaign;
    const abort = (): void => {
      campaign.granted.reject(signal.reason);
      void this.#resign(campaign);
    };
    signal.addEventListener('abort', abort, { once: true });
    this.#want();
    try {
      return await campaign.granted.promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async noteLeader(note: LeaderNote): Promise<boolean> {
    const path = `${this.#options.path}/leader`;
    const data = Buffer.from(JSON.stringify(note));
    for (;;) {
      const session = await this.#connected();
      try {
        const there = await session.getData(path).catch(noneThere);
        const known = there === undefined ? undefined : readLeaderNote(there.data);
        if (known !== undefined && known.epoch >= note.epoch) {
          // An answer that was lost: the note is there and is ours.
          return known.epoch === note.epoch && known.memberId === note.memberId;
        }
        if (there === undefined) await session.create(path, data, PERSISTENT);
        else await session.setData(path, data, there.stat.version);
        this.#want();
        return true;
      } catch (error) {
        const isRace =
          isKeeperError(error, KeeperCode.badVersion) ||
          isKeeperError(error, KeeperCode.nodeExists) ||
          isKeeperError(error, KeeperCode.noNode);
        if (!isRace && !isTransient(error)) throw error;
        if (isKeeperError(error, KeeperCode.noNode)) await this.#makeTree(session);
      }
    }
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    const over = new ConnectionLost('the coordinator was closed');
    this.#first.reject(over);
    this.#campaign?.granted.reject(over);
    this.#campaign?.lost.resolve('The coordinator was closed.');
    this.#campaign?.granted.promise.catch(() => undefined);
    this.#campaign = undefined;
    await this.#session?.close();
    await this.#working?.catch(() => undefined);
    this.#members = [];
    this.#tell({ connected: false, sinceMs: Date.now(), reason: 'It was closed.' });
  }

  #begin(): void {
    this.#memberName = '';
    this.#memberData = '';
    const session: ZooKeeperSession = new ZooKeeperSession(
      {
        servers: this.#servers,
        sessionMs: this.#options.sessionMs,
        onConnected: () => {
          this.#tell({ connected: true, sinceMs: Date.now(), reason: 'Connected.' });
          this.#want();
        },
        onDisconnected: (reason) => {
          this.#tell({ connected: false, sinceMs: Date.now(), reason: `${reason}.` });
        },
        onExpired: (reason) => this.#expired(reason),
        onEvent: () => this.#want(),
      },
      Math.floor(Math.random() * this.#servers.length),
    );
    this.#session = session;
  }

  /** Everything that went with the session is gone: a new one, and the wishes are made again. */
  #expired(reason: string): void {
    this.#options.log('warning', `The ZooKeeper session expired: ${reason}.`);
    const campaign = this.#campaign;
    if (campaign?.isGranted === true) {
      this.#campaign = undefined;
      campaign.lost.resolve(`The ZooKeeper session expired: ${reason}.`);
    }
    this.#tell({ connected: false, sinceMs: Date.now(), reason: `The session expired: ${reason}.` });
    if (!this.#ended) this.#begin();
  }

  #want(): void {
    this.#wanted = true;
    if (this.#working !== undefined || this.#ended) return;
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
      if (this.#wanted && this.#session?.isConnected === true) this.#want();
    });
  }

  async #work(): Promise<void> {
    while (this.#wanted && !this.#ended) {
      const session = this.#session;
      if (session?.isConnected !== true) return;
      this.#wanted = false;
      try {
        await this.#reconcile(session);
        this.#first.resolve();
      } catch (error) {
        if (!isTransient(error)) {
          this.#options.log('warning', `ZooKeeper: ${String(error)}`);
          await sleep(this.#options.sessionMs / 4);
        }
        this.#wanted = true;
      }
    }
  }

  async #reconcile(session: ZooKeeperSession): Promise<void> {
    if (!this.#hasTree) await this.#makeTree(session);
    await this.#beMember(session);
    const members = await this.#readMembers(session);
    const note = await session.getData(`${this.#options.path}/leader`).catch(noneThere);
    const leader = note === undefined ? undefined : readLeaderNote(note.data);
    await this.#standInLine(session);
    const isChanged =
      JSON.stringify([members, leader]) !== JSON.stringify([this.#members, this.#leader]);
    this.#members = members;
    this.#leader = leader;
    if (isChanged) this.#tellAll();
  }

  async #makeTree(session: ZooKeeperSession): Promise<void> {
    const names = this.#options.path.split('/').slice(1);
    const paths = names.map((_, index) => `/${names.slice(0, index + 1).join('/')}`);
    for (const path of [...paths, `${paths.at(-1)}/members`, `${paths.at(-1)}/line`]) {
      await session.create(path, Buffer.alloc(0), PERSISTENT).catch((error: unknown) => {
        if (!isKeeperError(error, KeeperCode.nodeExists)) throw error;
      });
    }
    this.#hasTree = true;
  }

  async #beMember(session: ZooKeeperSession): Promise<void> {
    const data = JSON.stringify(this.#self);
    if (data === this.#memberData) return;
    if (this.#memberName === '') this.#memberName = randomUUID();
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
    const byId = new Map<string, Member>();
    for (const name of await session.children(folder)) {
      const found = await session.getData(`${folder}/${name}`).catch(noneThere);
      const member = found && readMember(found.data, found.stat.createdAtMs);
      if (member === undefined) continue;
      const other = byId.get(member.id);
      if (other === undefined || other.joinedAtMs <= member.joinedAtMs) {
        byId.set(member.id, member);
      }
    }
    return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async #standInLine(session: ZooKeeperSession): Promise<void> {
    const campaign = this.#campaign;
    if (campaign === undefined) return;
    const folder = `${this.#options.path}/line`;
    let names = await session.children(folder);
    if (!names.some((name) => name.startsWith(campaign.guid))) {
      if (campaign.isGranted) {
        this.#campaign = undefined;
        campaign.lost.resolve('Its place in line is gone.');
        return;
      }
      const data = Buffer.from(this.#self?.id ?? '');
      await session.create(`${folder}/${campaign.guid}_`, data, EPHEMERAL_NUMBERED);
      names = await session.children(folder);
    }
    const [first] = names.sort((a, b) => (numberOf(a) < numberOf(b) ? -1 : 1));
    // Resigned meanwhile: the node that was just made must not stay first for ever.
    if (this.#campaign !== campaign) await this.#leaveLine(session, campaign);
    else if (first?.startsWith(campaign.guid) === true && !campaign.isGranted) {
      campaign.isGranted = true;
      campaign.granted.resolve({
        lost: campaign.lost.promise,
        resign: () => this.#resign(campaign),
      });
    }
  }

  async #resign(campaign: Campaign): Promise<void> {
    if (this.#campaign === campaign) this.#campaign = undefined;
    campaign.lost.resolve('It resigned.');
    while (!this.#ended) {
      const session = this.#session;
      // A session that is not connected takes the place with it when it ends.
      if (session?.isConnected !== true) return;
      try {
        await this.#leaveLine(session, campaign);
        return;
      } catch (error) {
        if (!isTransient(error)) return;
        await sleep(this.#options.sessionMs / 20);
      }
    }
  }

  async #leaveLine(session: ZooKeeperSession, { guid }: Campaign): Promise<void> {
    const folder = `${this.#options.path}/line`;
    for (const name of await session.children(folder)) {
      if (name.startsWith(guid)) await session.delete(`${folder}/${name}`).catch(noneThere);
    }
  }

  async #connected(): Promise<ZooKeeperSession> {
    for (;;) {
      if (this.#ended) throw new ConnectionLost('the coordinator was closed');
      const session = this.#session;
      if (session?.isConnected === true) return session;
      await sleep(Math.max(5, this.#options.sessionMs / 50));
    }
  }

  #tell(health: CoordinatorHealth): void {
    this.#health = health;
    this.#tellAll();
  }

  #tellAll(): void {
    for (const listener of this.#listeners) listener();
  }
}

function numberOf(name: string): string {
  return name.slice(-NUMBER_DIGITS);
}

function noneThere(error: unknown): undefined {
  if (isKeeperError(error, KeeperCode.noNode)) return undefined;
  throw error;
}

/** Tried again after the next connect, or in the next session. */
function isTransient(error: unknown): boolean {
  return (
    error instanceof ConnectionLost ||
    error instanceof SessionExpired ||
    isKeeperError(error, KeeperCode.sessionExpired)
  );
}
