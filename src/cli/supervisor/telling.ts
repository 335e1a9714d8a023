// What `up --nodes` says: a screen when all nodes serve and a line for each event, for people; or
// the same as lines of JSON. Standard output carries nothing else.

import type { Writer } from '../io.ts';
import type { NodeChild, NodeEnd } from './node-child.ts';
import type { SupervisorEvents } from './supervisor.ts';

export type Place = {
  readonly folder: string;
  readonly apiKeyFile: string;
  readonly key: () => string;
  /** What there was before: "new", or nothing to say. */
  readonly isNew: boolean;
};

export type Telling = Omit<SupervisorEvents, 'startFailed'> & {
  /** A server of the embedded engine ended by itself, and is started again. */
  serverLost(name: string, how: string): void;
  stopped(): void;
};

export function textTelling(stdout: Writer, place: Place): Telling {
  const say = (text: string): void => {
    stdout.write(`${new Date().toISOString().slice(11, 23)} ${text}\n`);
  };
  return {
    allReady: (children) => void stdout.write(screen(children, place)),
    lost: (child, end, { led, againMs }) => {
      const who = led ? `${child.name}, which led,` : child.name;
      say(`${who} ended: ${endText(end)}. It is started again in ${seconds(againMs)}.`);
    },
    back: (child, tookMs) => {
      const { url } = child.ready!;
      say(
        `${child.name} is back after ${seconds(tookMs)} and ${partOf(child)}: ${url}, pid ${child.pid}.`,
      );
    },
    leader: (child, pausedMs) => {
      const { epoch, reason } = child.role;
      const after = pausedMs === undefined ? '' : `, ${Math.round(pausedMs)} ms without a leader`;
      say(`${child.name} leads: epoch ${epoch}, pid ${child.pid}${after}. ${reason}`);
    },
    serverLost: (name, how) => say(`${name} (PostgreSQL) ended: ${how}. It is started again.`),
    stopped: () => say('All nodes are stopped.'),
  };
}

export function jsonTelling(stdout: Writer, place: Place): Telling {
  const say = (event: string, fields: object): void => {
    stdout.write(`${JSON.stringify({ event, time_ms: Date.now(), ...fields })}\n`);
  };
  return {
    allReady: (children) => {
      say('ready', {
        pid: process.pid,
        data: place.folder,
        api_key_file: place.apiKeyFile,
        leader: children.find(({ isLeading }) => isLeading)?.name,
        nodes: children.map(described),
      });
    },
    lost: (child, { exitCode, signal }, { led, againMs }) => {
      say('node_lost', {
        node: child.name,
        pid: child.pid,
        led,
        exit_code: exitCode,
        signal,
        again_ms: againMs,
      });
    },
    back: (child, tookMs) => {
      say('node_back', { ...described(child), took_ms: Math.round(tookMs) });
    },
    leader: (child, pausedMs) => {
      const { epoch, reason, position } = child.role;
      const paused = pausedMs === undefined ? undefined : Math.round(pausedMs);
      say('leader', {
        node: child.name,
        pid: child.pid,
        epoch,
        position,
        reason,
        without_leader_ms: paused,
      });
    },
    serverLost: (name, how) => say('server_lost', { server: name, how }),
    stopped: () => say('stopped', {}),
  };
}

function described(child: NodeChild): object {
  const { url, binary_url, peer } = child.ready!;
  const { role, epoch, position } = child.role;
  return { node: child.name, pid: child.pid, role, epoch, position, url, binary_url, peer };
}

function screen(children: readonly NodeChild[], { folder, key, ...place }: Place): string {
  const leader = children.find(({ isLeading }) => isLeading)!;
  const width = Math.max(...children.map(({ ready }) => ready!.url.length));
  const rows = children.map((child) => {
    const { url, binary_url: binary } = child.ready!;
    return `  ${child.name}  ${url.padEnd(width)}  ${binary}  ${partOf(child)}, pid ${child.pid}\n`;
  });
  const count = children.length === 1 ? '1 node' : `${children.length} nodes`;
  return (
    `Holdfast is ready: ${count}, ${leader.name} leads.\n\n` +
    `${rows.join('')}\n` +
    `  Key   ${key()}   (also in ${place.apiKeyFile})\n` +
    `  Data  ${folder}${place.isNew ? '   (new)' : ''}\n` +
    `  Logs  ${folder}/nodes/<name>/node.log\n\n` +
    `Every node takes payments, and they go on without the leader: kill -9 ${leader.pid}\n` +
    `Ctrl-C stops all: whatever was admitted is answered first.\n`
  );
}

function partOf(child: NodeChild): string {
  return child.isLeading ? 'leads' : 'follows';
}

function endText({ exitCode, signal }: NodeEnd): string {
  if (signal !== null) return `killed by ${signal}`;
  return exitCode === 70 ? 'it halted (70), see its log' : `exit status ${exitCode}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
