// What can be seen of the engine's settings through AMQP. Retention by policy, unclean partition
// handling and what the brokers' disks do cannot: README.md says how to look.

import { setTimeout as pause } from 'node:timers/promises';
import { OperationalError } from '../../base/errors.ts';
import { ENTRY_BYTES_MAX } from '../../base/limits.ts';
import type { EngineHost } from '../engine-options.ts';
import type { Brokers } from './connection.ts';
import { StreamConsumer } from './consumer.ts';
import { BrokerFailure, failureOf, unavailable } from './failures.ts';
import type { CheckName, RabbitSettings } from './options.ts';
import { type Publisher, STREAM_ARGUMENTS } from './publisher.ts';

const PROBE_MS_MAX = 1000;
const ARGUMENTS_MAX = 8;
const RETENTION = new Set(['x-max-age', 'x-max-length-bytes', 'x-max-length', 'x-expires']);
const LOOK_MS = 50;
const ABSENT_MS = 500;

/** "inequivalent arg 'x-max-age' for queue ...: received none but current is the value '1h' ..." */
const DIFFERENCE =
  /inequivalent arg '(?<name>[^']+)' .*current is (?:none|(?:the value )?'(?<value>[^']*)'(?: of type '(?<type>[a-z]+)')?)/s;

export type Finding = { readonly check: CheckName; readonly text: string };

/** Throws JOURNAL_UNSAFE for what is not waived, and logs the rest. */
export function judge(findings: readonly Finding[], settings: RabbitSettings): void {
  const wrong = findings.filter(({ check }) => !settings.waived.has(check));
  for (const { check, text } of findings) {
    if (settings.waived.has(check)) settings.log('warning', `Waived (${check}): ${text}`);
  }
  if (wrong.length === 0) return;
  const names = [...new Set(wrong.map(({ check }) => check))].join(', ');
  throw new OperationalError('JOURNAL_UNSAFE', {
    detail: wrong.map(({ check, text }) => `${check}: ${text}`).join(' '),
    wayOut: `Mend it, or, if that may be lost, waive the check by its name (${names}).`,
  });
}

/**
 * The question is a declaration, which would make the stream anew where the broker has lost sight
 * of it for a moment (it does so while it starts), over everything that is in it. No broker makes a
 * stream with this value, and it is compared last.
 */
const NEVER_MADE = { 'x-queue-leader-locator': 'holdfast-asks' };

/**
 * How a stream that is there differs from one that this driver makes; it is never made here.
 * Rejects with BrokerFailure, `missing` where it is not there.
 */
export async function streamFindings(publisher: Publisher, stream: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  const declared: Record<string, unknown> = { ...STREAM_ARGUMENTS, ...NEVER_MADE };
  // The broker names one difference at a time: with that one admitted it names the next.
  for (let count = 0; count < ARGUMENTS_MAX; count++) {
    const refusal = await refusalOf(publisher, stream, declared);
    if (refusal === undefined) return findings;
    const { name = '', value, type } = DIFFERENCE.exec(refusal)?.groups ?? {};
    if (name === '') throw new BrokerFailure('lost', refusal);
    if (name in NEVER_MADE) return findings;
    const finding = findingOf(stream, name, value);
    if (finding !== undefined) findings.push(finding);
    if (name === 'x-queue-type') return findings;
    if (value === undefined) delete declared[name];
    else declared[name] = type === 'longstr' ? value : Number(value);
  }
  return findings;
}

async function refusalOf(
  publisher: Publisher,
  stream: string,
  declared: Readonly<Record<string, unknown>>,
): Promise<string | undefined> {
  try {
    await publisher.onChannel((channel) =>
      channel.assertQueue(stream, { durable: true, arguments: declared }),
    );
    return undefined;
  } catch (error) {
    const { message } = failureOf(error);
    if (message.includes('inequivalent arg')) return message;
    if (message.includes('invalid arg')) throw new BrokerFailure('missing', message, error);
    throw error;
  }
}

function findingOf(stream: string, name: string, value: string | undefined): Finding | undefined {
  const has = value === undefined ? 'has none' : `is ${value}`;
  if (name === 'x-queue-type') {
    return { check: 'stream', text: `${stream} is no stream; x-queue-type must be stream.` };
  }
  if (name === 'x-initial-cluster-size') {
    return { check: 'replicas', text: `${name} of ${stream} ${has}, and must be 3.` };
  }
  // What is left (the size of a stream's files) loses nothing.
  if (!RETENTION.has(name)) return undefined;
  return {
    check: 'retention',
    text: `${name} of ${stream} ${has}: the engine drops entries by itself. There must be none.`,
  };
}

/** Whether the brokers take the largest entry; nothing is stored for it. */
export async function sizeFindings(publisher: Publisher): Promise<Finding[]> {
  try {
    await publisher.onChannel(async (channel) => {
      // To nowhere: it is measured and dropped. The answer behind it says that it was taken.
      channel.publish('', 'holdfast.nowhere', Buffer.alloc(ENTRY_BYTES_MAX));
      await channel.prefetch(1);
    });
    return [];
  } catch (error) {
    const { message } = failureOf(error);
    if (!/larger than|too large|max size/i.test(message)) throw error;
    const text = `max_message_size is below ${ENTRY_BYTES_MAX}, the largest entry (${message}).`;
    return [{ check: 'message-size', text }];
  }
}

/** Whether the host's own broker holds a replica of the stream; `missing`: it knows no such one. */
export type Presence = 'replica' | 'none' | 'missing' | 'unreachable';

export async function presenceAt(
  brokers: Brokers,
  host: EngineHost,
  stream: string,
): Promise<Presence> {
  try {
    const connection = await brokers.connectTo(host);
    try {
      const boundMs = PROBE_MS_MAX;
      const consumer = await StreamConsumer.open(connection, stream, 'last', {
        boundMs,
        prefetch: 1,
      });
      consumer.close();
      return 'replica';
    } finally {
      connection.destroy();
    }
  } catch (error) {
    const failure = failureOf(error);
    if (!(failure instanceof BrokerFailure) || failure.kind === 'lost') return 'unreachable';
    return failure.kind === 'foreign' ? 'none' : 'missing';
  }
}

/** Brokers that answer and hold no replica of the root stream, also not after a while. */
export async function rootFindings(brokers: Brokers): Promise<Finding[]> {
  const { hosts, name, times } = brokers.settings;
  const deadlineMs = performance.now() + times.openMs / 2;
  const findings = hosts.map(async (host): Promise<Finding[]> => {
    while (!['replica', 'unreachable'].includes(await presenceAt(brokers, host, name))) {
      // A replica needs a moment to start.
      if (performance.now() < deadlineMs) {
        await pause(LOOK_MS);
        continue;
      }
      const text = `${host.host}:${host.port} holds no replica of ${name}: it is of another cluster, or this one has fewer than 3 brokers.`;
      return [{ check: 'replicas', text }];
    }
    return [];
  });
  return (await Promise.all(findings)).flat();
}

/**
 * The broker that knows the root stream; undefined where none does. A stream that is made while a
 * broker is down never gets a replica there by itself, and the root stream stays for ever: whether
 * it may be made is known only while all brokers answer, otherwise JOURNAL_UNAVAILABLE.
 */
export async function whoKnowsRoot(brokers: Brokers): Promise<string | undefined> {
  const { hosts, name, waived } = brokers.settings;
  // Twice: brokers that start have moments in which they do not know what they have.
  for (const beforeMs of [0, ABSENT_MS]) {
    await pause(beforeMs);
    const presences = await Promise.all(hosts.map((host) => presenceAt(brokers, host, name)));
    for (const [index, presence] of presences.entries()) {
      const place = `${hosts[index]!.host}:${hosts[index]!.port}`;
      if (presence === 'replica' || presence === 'none') return place;
      if (presence === 'unreachable' && !waived.has('replicas')) {
        throw unavailable(
          `The new journal ${name} is made only while all brokers answer, and ${place} does not.`,
        );
      }
    }
  }
  return undefined;
}

/**
 * A majority of the brokers has a replica of a stream that was just made. One that was frozen can
 * make streams that no other knows. Rejects with BrokerFailure.
 */
export async function awaitReplicas(brokers: Brokers, stream: string): Promise<void> {
  const { hosts, times } = brokers.settings;
  const deadlineMs = performance.now() + times.openMs;
  for (;;) {
    const found = await Promise.all(hosts.map((host) => presenceAt(brokers, host, stream)));
    const count = found.filter((presence) => presence === 'replica').length;
    if (2 * count > hosts.length) return;
    if (performance.now() > deadlineMs) {
      throw new BrokerFailure('lost', `${stream} has ${count} replicas: ${found.join(', ')}.`);
    }
    await pause(LOOK_MS);
  }
}
