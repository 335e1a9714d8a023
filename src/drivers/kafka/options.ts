// Settings of the Kafka driver: what its place may say, and its own times.

import { readFileSync } from 'node:fs';
import { OperationalError } from '../../base/errors.ts';
import type { EngineHost, EngineJournalOptions } from '../engine-options.ts';

export type KafkaTimes = {
  /** An append that nobody has answered for so long has an unknown outcome. */
  readonly appendMs: number;
  /** For `open` to find brokers that answer and a leader that takes writes. */
  readonly openMs: number;
  /** For a reader to find a leader again. Kafka takes up to 3 s to replace a frozen one. */
  readonly readMs: number;
  /** For one connection to be made. */
  readonly connectMs: number;
  /** For one question about the cluster. */
  readonly askMs: number;
  /** For one Produce to be answered; then the same bytes are sent again, elsewhere perhaps. */
  readonly produceMs: number;
  /** How long a broker may keep a Fetch at the end of the log. */
  readonly fetchWaitMs: number;
  /** For what is in flight to settle at `close`. */
  readonly closeMs: number;
  /** Between two attempts. */
  readonly retryMs: number;
};

export type KafkaSecurity = {
  /** Undefined = no TLS. */
  readonly tls: { readonly ca: string | undefined } | undefined;
  /** Undefined = nobody says who he is. */
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
};

export type KafkaSettings = {
  readonly hosts: readonly EngineHost[];
  readonly topic: string;
  readonly security: KafkaSecurity;
  readonly waived: ReadonlySet<string>;
  readonly times: KafkaTimes;
  readonly log: EngineJournalOptions['log'];
};

const APPEND_MS_DEFAULT = 5000;
const APPEND_MS_MIN = 500;
const APPEND_MS_MAX = 60_000;

const PARAMETERS = ['tls', 'ca', 'appendMs'];
const TOPIC = /^[A-Za-z0-9_.-]{1,60}$/;

/** Throws CONFIGURATION_INVALID for whatever cannot be used. */
export function settingsOf(options: EngineJournalOptions): KafkaSettings {
  const { hosts, name, parameters, waived, log } = options;
  const unknown = Object.keys(parameters).filter((key) => !PARAMETERS.includes(key));
  if (unknown.length > 0) throw invalid(`It does not know the parameter ${unknown.join(', ')}.`);
  if (hosts.length === 0) throw invalid('No broker is named.');
  if (!TOPIC.test(name)) throw invalid(`"${name}" cannot be the name of a topic.`);
  return {
    hosts,
    topic: name,
    security: securityOf(options),
    waived: new Set(waived),
    times: {
      appendMs: appendMsOf(parameters['appendMs']),
      openMs: 3000,
      readMs: 4000,
      connectMs: 1000,
      askMs: 1000,
      produceMs: 1500,
      fetchWaitMs: 500,
      closeMs: 1000,
      retryMs: 25,
    },
    log,
  };
}

function securityOf({ user, password, parameters }: EngineJournalOptions): KafkaSecurity {
  const { tls = 'false', ca } = parameters;
  if (tls !== 'true' && tls !== 'false') throw invalid(`tls=${tls} is neither true nor false.`);
  const isTls = tls === 'true';
  if (ca !== undefined && !isTls) throw invalid('ca is of use only with tls=true.');
  if (user !== '' && !isTls) throw invalid('It sends a password only over TLS.');
  if (user === '' && password !== '') throw invalid('There is a password, but no user.');
  return {
    tls: isTls ? { ca: ca === undefined ? undefined : textOf(ca) } : undefined,
    credentials: user === '' ? undefined : { user, password },
  };
}

function appendMsOf(text: string | undefined): number {
  if (text === undefined) return APPEND_MS_DEFAULT;
  const milliseconds = Number(text);
  if (milliseconds >= APPEND_MS_MIN && milliseconds <= APPEND_MS_MAX) return milliseconds;
  throw invalid(`appendMs=${text} is not between ${APPEND_MS_MIN} and ${APPEND_MS_MAX}.`);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw invalid(`The certificates in ${path} cannot be read.`, error);
  }
}

function invalid(detail: string, cause?: unknown): OperationalError {
  return new OperationalError('CONFIGURATION_INVALID', {
    detail: `The place of the journal in Kafka: ${detail}`,
    wayOut:
      'Write kafka://user@host:port,host:port/topic?tls=true&ca=FILE, without user where clients need none; parameters are tls, ca and appendMs.',
    cause,
  });
}
