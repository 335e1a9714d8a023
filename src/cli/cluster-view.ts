// The cluster as the node shows it, read from JSON for tables and trees. What a newer node says
// beyond it is left alone; what is missing is shown as a dash.

import type { JsonObject } from '../client/wire.ts';
import type { Output } from './output.ts';

export type Member = {
  readonly name: string;
  readonly url: string;
  /** `leader`, `standby`, or the role in the node's own word. */
  readonly role: string;
  readonly state: string;
  readonly isLeader: boolean;
  readonly isSelf: boolean;
  readonly epoch: number | undefined;
  readonly position: number | undefined;
  readonly lag: number | undefined;
  readonly clockMs: number | undefined;
  readonly release: string;
};

export type Cluster = {
  readonly members: readonly Member[];
  readonly leader: Member | undefined;
  /** Lines for people, below the table. */
  readonly facts: readonly (readonly [name: string, value: string])[];
};

const DASH = '-';
/** How a node without a name is called. */
const ALONE = '(alone)';

export function readCluster(view: JsonObject): Cluster {
  const members = (Array.isArray(view['members']) ? view['members'] : []).map(readMember);
  const epoch = objectOf(view['leader'])['epoch'];
  const leader = members.find((member) => member.isLeader);
  return { members, leader, facts: factsOf(view, leader, epoch) };
}

function readMember(value: unknown): Member {
  const from = objectOf(value);
  const isLeader = from['leader'] === true;
  const role = textOf(from['role']);
  return {
    name: textOf(from['name']) === DASH ? ALONE : textOf(from['name']),
    url: textOf(from['url']),
    role: isLeader ? 'leader' : role === 'following' ? 'standby' : role,
    state: textOf(from['state']),
    isLeader,
    isSelf: from['self'] === true,
    epoch: numberOf(from['epoch']),
    position: numberOf(from['position']),
    lag: numberOf(from['lag']),
    clockMs: numberOf(from['clock_difference_ms']),
    release: textOf(from['release']),
  };
}

function factsOf(view: JsonObject, leader: Member | undefined, epoch: unknown): [string, string][] {
  const failover = objectOf(view['failover']);
  const pause = objectOf(view['pause']);
  const coordinator = objectOf(view['coordinator']);
  const facts: [string, string][] = [
    ['leader', leader === undefined ? NO_LEADER : `${leader.name}, epoch ${textOf(epoch)}`],
    ['failover', `${failover['on'] === true ? 'on' : 'OFF'}: ${textOf(failover['reason'])}`],
  ];
  if (pause['paused'] === true) {
    facts.push(['paused', `since ${textOf(pause['since'])}: ${textOf(pause['reason'])}`]);
  }
  if (view['coordinator'] !== null) {
    const state = coordinator['connected'] === true ? 'connected' : 'NOT CONNECTED';
    const since = `since ${textOf(coordinator['since'])}`;
    const text = `${textOf(coordinator['kind'])}, ${state} ${since}: ${textOf(coordinator['reason'])}`;
    facts.push(['coordinator', text]);
  }
  return facts;
}

const NO_LEADER = 'NONE: payments are held until a node leads';

const COLUMNS = [
  { title: 'member' },
  { title: 'address' },
  { title: 'role' },
  { title: 'state' },
  { title: 'epoch', isNumber: true },
  { title: 'position', isNumber: true },
  { title: 'lag', isNumber: true },
  { title: 'clock', isNumber: true },
  { title: 'release' },
] as const;

export function showCluster(output: Output, { members, facts }: Cluster): void {
  output.table(
    COLUMNS,
    members.map((member) => [
      member.name,
      member.url,
      member.role,
      member.state,
      figure(member.epoch),
      figure(member.position),
      figure(member.lag),
      clock(member),
      member.release,
    ]),
  );
  output.line('');
  output.pairs(facts);
}

/** The leader, and below it who follows it. */
export function showTopology(output: Output, { members, leader }: Cluster): void {
  output.line(leader === undefined ? `no leader: ${NO_LEADER}` : topologyLine(leader));
  const others = members.filter((member) => member !== leader);
  for (const [index, member] of others.entries()) {
    const branch = index === others.length - 1 ? '└─' : '├─';
    output.line(`${branch} ${topologyLine(member)}`);
  }
}

function topologyLine(member: Member): string {
  const { name, role, state, epoch, position, lag, url } = member;
  const place = member.isLeader
    ? `epoch ${figure(epoch)}, position ${figure(position)}`
    : `position ${figure(position)}, lag ${figure(lag)}`;
  return `${name}  ${role}, ${state}, ${place}  ${url}`;
}

function clock({ isSelf, clockMs }: Member): string {
  if (isSelf || clockMs === undefined) return DASH;
  return `${clockMs < 0 ? '' : '+'}${clockMs.toFixed(1)} ms`;
}

export function figure(value: number | undefined): string {
  return value === undefined ? DASH : String(value);
}

export function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null ? (value as JsonObject) : {};
}

export function textOf(value: unknown): string {
  if (value === undefined || value === null) return DASH;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
