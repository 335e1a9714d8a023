// What a node tells when it serves: a line of JSON for whoever started it, text for people, and a
// file in its folder for the command line.

import { type DataFolder, writeRunningNode } from '../config/data-folder.ts';
import type { NodeStatus } from '../engine/contract.ts';
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
