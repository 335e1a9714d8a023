// Closed loops that send one transfer a request: the same loops, the same transfers and the same
// clock for every door. Runs in a process of its own (single-run.ts).

import { Prng } from '../../../src/base/prng.ts';
import { createBinaryClient } from '../../../src/client/binary-client.ts';
import { type Distribution, chooserOf } from './account-choice.ts';
import { HttpLine } from './http-line.ts';
import { Samples } from './samples.ts';
import { LEDGER } from './transfer-stream.ts';

/**
 * The road of a request: `rest` to a node or to the echo, `sql` to the SQL ledger, the others over
 * the binary client: a connection for each loop, one for all, or one for all that packs what is
 * asked for at the same time into one request, as the client does by default.
 */
export type Road = 'rest' | 'sql' | 'binary' | 'shared' | 'gathered';

export type SingleTask = {
  readonly road: Road;
  readonly url: string;
  readonly key: string;
  readonly clients: number;
  readonly accounts: number;
  readonly distribution: Distribution;
  readonly warmSeconds: number;
  readonly seconds: number;
  /** At most so many requests, warm-up included. */
  readonly requestsMax: number;
  readonly seed: number;
};

export type SingleResult = {
  /** Counted: after the warm-up. */
  readonly requests: number;
  readonly seconds: number;
  readonly msP50: number | null;
  readonly msP99: number | null;
  readonly msMax: number | null;
  /** CPU of this process over the seconds counted; near 1 the client was the limit. */
  readonly clientCpuShare: number;
  /** Everything acknowledged, warm-up included: what the books must hold. */
  readonly transfers: number;
  readonly amount: number;
};

type Draw = { debit: number; credit: number; amount: number; id: string };
type Caller = { send(draw: Draw): Promise<unknown>; close(): unknown };

const AMOUNT_MAX = 100;
const DEADLINE_MS = 60_000;
const ID_DIGITS = { time: 12, sequence: 8, random: 6 } as const;

/** Draws transfers under time-ordered ids. */
class Draws {
  readonly #chance: Prng;
  readonly #choose: (choice: { debit: number; credit: number }) => void;
  #sequence = 0;

  constructor({ accounts, distribution, seed }: SingleTask) {
    this.#chance = new Prng(seed);
    this.#choose = chooserOf(distribution, accounts, this.#chance.fork());
  }

  next(): Draw {
    const draw = { debit: 0, credit: 0, amount: 1 + this.#chance.below(AMOUNT_MAX), id: '' };
    this.#choose(draw);
    draw.id =
      hex(Date.now(), ID_DIGITS.time) +
      hex(this.#sequence++, ID_DIGITS.sequence) +
      hex(this.#chance.below(1 << 24), ID_DIGITS.random) +
      hex(this.#chance.below(1 << 24), ID_DIGITS.random);
    return draw;
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

function restBody({ id, debit, credit, amount }: Draw): string {
  return (
    `{"id":"tr_${id}","debit_account_id":"acc_${hex(debit + 1, 32)}",` +
    `"credit_account_id":"acc_${hex(credit + 1, 32)}","amount":"${amount}",` +
    `"ledger":${LEDGER},"code":1}`
  );
}

function sqlBody({ id, debit, credit, amount }: Draw): string {
  const uuid = id.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  return `{"id":"${uuid}","debit":${debit},"credit":${credit},"amount":${amount}}`;
}

async function httpCaller({ url, key, road }: SingleTask): Promise<Caller> {
  const path = road === 'sql' ? '/transfers' : '/v1/transfers';
  const body = road === 'sql' ? sqlBody : restBody;
  const line = await HttpLine.open({ url, path, key, status: 201 });
  return { send: (draw) => line.post(body(draw)), close: () => line.close() };
}

function binaryCaller({ url, key, road }: SingleTask): Caller {
  const client = createBinaryClient({
    url,
    key,
    deadlineMs: DEADLINE_MS,
    ...(road === 'gathered' ? {} : { gatherTransfersMax: 1 }),
  });
  return {
    send: ({ id, debit, credit, amount }) =>
      client.transfers.create({
        id: BigInt(`0x${id}`),
        debitAccountId: BigInt(debit + 1),
        creditAccountId: BigInt(credit + 1),
        amount: BigInt(amount),
        ledger: LEDGER,
        code: 1,
      }),
    close: () => client.close(),
  };
}

/** One caller for each loop; on the shared roads it is the same one. */
async function callersFor(task: SingleTask): Promise<Caller[]> {
  const { clients, road } = task;
  if (road === 'shared' || road === 'gathered') {
    return Array.from<Caller>({ length: clients }).fill(binaryCaller(task));
  }
  if (road === 'binary') return Array.from({ length: clients }, () => binaryCaller(task));
  return await Promise.all(Array.from({ length: clients }, () => httpCaller(task)));
}

export async function runSingleTask(task: SingleTask): Promise<SingleResult> {
  const callers = await callersFor(task);
  const draws = new Draws(task);
  const latenciesMs = new Samples();
  let sent = 0;
  let transfers = 0;
  let amount = 0;
  const warmUntilMs = performance.now() + task.warmSeconds * 1000;
  const endMs = warmUntilMs + task.seconds * 1000;
  let cpuBefore = process.cpuUsage();
  let countedSinceMs = performance.now();
  let isWarm = task.warmSeconds === 0;
  const loop = async (caller: Caller): Promise<void> => {
    while (sent < task.requestsMax) {
      const sentMs = performance.now();
      if (sentMs >= endMs) return;
      if (!isWarm && sentMs >= warmUntilMs) {
        isWarm = true;
        countedSinceMs = sentMs;
        cpuBefore = process.cpuUsage();
      }
      const isCounted = isWarm;
      const draw = draws.next();
      sent++;
      await caller.send(draw);
      if (isCounted) latenciesMs.add(performance.now() - sentMs);
      transfers++;
      amount += draw.amount;
    }
  };
  await Promise.all(callers.map(loop));
  const seconds = (performance.now() - countedSinceMs) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  for (const caller of new Set(callers)) await caller.close();
  const at = latenciesMs.quantiles();
  const clientCpuShare = (user + system) / 1_000_000 / seconds;
  return {
    requests: latenciesMs.count,
    seconds,
    msP50: at(0.5),
    msP99: at(0.99),
    msMax: at(1),
    clientCpuShare,
    transfers,
    amount,
  };
}
