// What a node tells when it serves: a line of JSON for whoever started it, text for people, and a
// file in its folder for the command line.

import { rename, writeFile } from 'node:fs/promises';
import { type DataFolder, leaderFile, writeRunningNode } from '../config/data-folder.ts';
import type { NodeStatus } from '../engine/contract.ts';
import type { EngineObserver, RoleChange } from '../engine/observer.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Urls } from './doors.ts';

type RunningNote = {
  readonly logger: Logger;
  readonly folder: DataFolder;
  readonly name: string;
  readonly urls: Urls;
};

/** A convenience for the command line: on a full disk there is none, and payments go on. */
export function noteRunningNode({ logger, folder, name, urls }: RunningNote): void {
  try {
    const node = name === '' ? urls : { node: name, ...urls };
    writeRunningNode(folder.nodeFolder, { ...node, pid: process.pid });
  } catch (error) {
    logger.warn({ event: 'node_not_noted', err: error }, 'node.json could not be written');
  }
}

export type RoleListener = (change: RoleChange) => void;

/** The same observer, with one who hears of the roles too. */
export function alsoTelling(observer: EngineObserver, onRole: RoleListener): EngineObserver {
  return {
    ...observer,
    roleChanged: (change) => {
      observer.roleChanged(change);
      onRole(change);
    },
  };
}

/** For whoever started the node, when it is one of several. */
export function announceRole(node: string, change: RoleChange): void {
  const { to: role, reason, epoch, position } = change;
  const line = { event: 'role', node, role, reason, epoch, position };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

type LeaderNote = RunningNote & { readonly epoch: number };

/**
 * Who leads, for people and scripts on this machine; nothing depends on it. Not synced: whoever has
 * just begun to lead has better things to do.
 */
export async function noteLeader(note: LeaderNote): Promise<void> {
  const { logger, folder, name, urls, epoch } = note;
  const file = leaderFile(folder.folder);
  const content = JSON.stringify({ node: name, ...urls, pid: process.pid, epoch });
  try {
    await writeFile(`${file}.${name}`, `${content}\n`);
    await rename(`${file}.${name}`, file);
  } catch (error) {
    logger.warn({ event: 'leader_not_noted', err: error }, 'leader.json could not be written');
  }
}

export type Announcement = {
  readonly json: boolean;
  readonly folder: DataFolder;
  /** The node's name; '' = it runs alone. */
  readonly name: string;
  readonly urls: Urls;
  /** `host:port` of the channel between nodes; '' = it runs alone. */
  readonly peer: string;
  readonly status: NodeStatus;
};

export function announce(announcement: Announcement): void {
  const text = announcement.json ? `${readyLine(announcement)}\n` : readyText(announcement);
  process.stdout.write(text);
}

function readyLine({ folder, name, urls, peer, status }: Announcement): string {
  const { role, reason, position, epoch, tornBytesCut } = status;
  return JSON.stringify({
    event: 'ready',
    ...(name !== '' && { node: name, role, reason, peer }),
    ...urls,
    pid: process.pid,
    data: folder.folder,
    api_key_file: folder.apiKeyFile,
    epoch,
    position,
    torn_bytes_cut: tornBytesCut,
  });
}

function readyText({ folder, name, urls, status }: Announcement): string {
  const { role, position, epoch } = status;
  const origin = folder.isNew ? 'new' : `position ${position}, epoch ${epoch}`;
  const who = name === '' ? 'Holdfast is ready.' : `Holdfast: ${name} is ready and ${role}.`;
  return (
    `${who}\n\n` +
    `  API    ${urls.url}\n` +
    `  Binary ${urls.binary_url}\n` +
    `  Key    ${folder.apiKey}   (also in ${folder.apiKeyFile})\n` +
    `  Data   ${folder.folder}   (${origin})\n\n` +
    `Ctrl-C stops it: whatever was admitted is answered first.\n`
  );
}
