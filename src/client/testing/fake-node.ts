// A stand-in for a node in unit tests: the JSON surface over plain maps, with faults on demand. It
// knows no rules beyond "the same id is done once"; the real rules are tested with the real node.

import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

type Json = Record<string, unknown>;

/** What happens to a request instead of a plain answer; undefined = nothing special. */
export type Fault =
  /** The connection breaks before anything is done. */
  | { readonly kind: 'drop-before' }
  /** It is done, but the connection breaks before the answer. */
  | { readonly kind: 'drop-after' }
  /** It is done, and the answer never comes. */
  | { readonly kind: 'hang' }
  /** It is done, and the answer takes its time. */
  | { readonly kind: 'slow'; readonly ms: number }
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly body?: Json;
      readonly headers?: Readonly<Record<string, string>>;
    };

export type SeenRequest = {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  /** The header Holdfast-Position; '' = none. */
  readonly position: string;
};

export const FAKE_KEY = 'hk_fake_key_of_the_unit_tests';

export class FakeNode implements AsyncDisposable {
  readonly seen: SeenRequest[] = [];
  readonly ledgers: Map<number, Json>;
  readonly accounts: Map<string, Json>;
  readonly transfers: Map<string, Json>;
  /** Refuses a transfer or an account by its id, with this code. */
  readonly refusals = new Map<string, string>();
  /** Asked for each request, in order of arrival. */
  fault: (request: SeenRequest, index: number) => Fault | undefined = () => undefined;
  position = 1;
  /** What `GET /v1/cluster` names; undefined = there is no such route, as in older nodes. */
  members: readonly string[] | undefined;
  readonly #server = createServer((request, response) => {
    this.#serve(request, response).catch(() => response.destroy());
  });

  private constructor(leader: FakeNode | undefined) {
    this.ledgers =
      leader?.ledgers ??
      new Map<number, Json>([
        [978, { ledger: 978, currency: 'EUR', exponent: 2 }],
        [392, { ledger: 392, currency: 'JPY', exponent: 0 }],
      ]);
    this.accounts = leader?.accounts ?? new Map<string, Json>();
    this.transfers = leader?.transfers ?? new Map<string, Json>();
  }

  /** With a leader: another node of its cluster, with the same books. */
  static async start(leader?: FakeNode): Promise<FakeNode> {
    const node = new FakeNode(leader);
    node.#server.listen(0, '127.0.0.1');
    await once(node.#server, 'listening');
    return node;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = (await request.toArray()).join('');
    const position = String(request.headers['holdfast-position'] ?? '');
    const seen = { method: request.method ?? '', path: request.url ?? '', body, position };
    this.seen.push(seen);
    const fault = this.fault(seen, this.seen.length - 1);
    if (fault?.kind === 'drop-before') {
      request.socket.destroy();
      return;
    }
    if (fault?.kind === 'answer') {
      const type = { 'content-type': 'application/problem+json' };
      response.writeHead(fault.status, { ...type, ...fault.headers });
      response.end(JSON.stringify(fault.body ?? {}));
      return;
    }
    const authorised = request.headers.authorization === `Bearer ${FAKE_KEY}`;
    const [status, answer] = authorised
      ? this.#answer(seen.method, seen.path, body === '' ? {} : (JSON.parse(body) as Json))
      : problem(401, 'key_wrong');
    if (fault?.kind === 'drop-after') request.socket.destroy();
    if (fault?.kind === 'slow') await sleep(fault.ms);
    else if (fault !== undefined) return;
    response.writeHead(status, {
      'content-type': 'application/json',
      'holdfast-position': String(this.position),
    });
    response.end(JSON.stringify(answer));
  }

  #answer(method: string, url: string, body: Json): [number, Json] {
    const path = url.split('?')[0]!;
    const [, , group = '', item, verb] = path.split('/');
    if (group === 'cluster' && this.members !== undefined) {
      return [200, { members: this.members.map((member) => ({ url: member })) }];
    }
    if (group === 'postings') return this.#post(body);
    if (path === '/v1/status') {
      const books = { EUR: { debits_posted: '0', credits_posted: '0' } };
      return [200, { role: 'leading', epoch: 1, position: this.position, books }];
    }
    if (group === 'ledgers') return this.#ledgers(method, item, body);
    if (group === 'accounts' || group === 'transfers') {
      if (item !== undefined && verb !== undefined) return this.#act(group, item, verb);
      if (method === 'GET') return this.#get(group, item ?? '');
      if (item === 'lookup') return this.#lookup(group, body);
      if (item === 'batch') return this.#batch(group, body);
      return this.#create(group, body);
    }
    return problem(404, 'route_not_found');
  }

  #ledgers(method: string, item: string | undefined, body: Json): [number, Json] {
    if (item === undefined) return [200, { ledgers: [...this.ledgers.values()] }];
    const number = Number(item);
    const known = this.ledgers.get(number);
    if (known !== undefined) return [200, known];
    if (method === 'GET') return problem(404, 'ledger_not_found');
    const ledger = { ledger: number, ...body };
    this.ledgers.set(number, ledger);
    this.position++;
    return [201, ledger];
  }

  #table(group: string): Map<string, Json> {
    return group === 'accounts' ? this.accounts : this.transfers;
  }

  #get(group: string, id: string): [number, Json] {
    const found = this.#table(group).get(id);
    const name = group === 'accounts' ? 'account_not_found' : 'transfer_not_found';
    return found === undefined ? problem(404, name) : [200, found];
  }

  #lookup(group: string, body: Json): [number, Json] {
    const ids = body['ids'] as string[];
    const table = this.#table(group);
    const found = ids.map((id) => table.get(id)).filter((item) => item !== undefined);
    const missing = ids.filter((id) => !table.has(id));
    return [200, { position: this.position, [group]: found, not_found: missing }];
  }

  #create(group: string, body: Json): [number, Json] {
    const id = String(body['id']);
    const code = this.refusals.get(id);
    if (code !== undefined) return problem(422, code);
    const isNew = this.#put(group, body);
    return [isNew ? 201 : 200, this.#table(group).get(id) ?? {}];
  }

  /** `freeze`, `unfreeze` and `revert`, as far as a caller sees them. */
  #act(group: string, id: string, verb: string): [number, Json] {
    const [status, found] = this.#get(group, id);
    if (status !== 200) return [status, found];
    if (verb === 'revert') return [201, found];
    found['flags'] = verb === 'freeze' ? ['frozen'] : [];
    return [200, found];
  }

  /** Each leg is shown as one transfer: what the pairs are is the node's business. */
  #post(body: Json): [number, Json] {
    const legs = (body['legs'] ?? []) as Json[];
    const transfers = legs.map((leg) => ({
      ...defaultsOf('transfers'),
      id: `tr_${'0'.repeat(32)}`,
      amount: leg['amount'],
      debit_account_id: leg['account_id'],
      credit_account_id: leg['account_id'],
      currency: 'EUR',
    }));
    return [201, { id: body['id'] ?? `po_${'0'.repeat(32)}`, status: 'created', transfers }];
  }

  #batch(group: string, body: Json): [number, Json] {
    const items = body[group] as Json[];
    const results = items.map((item) => {
      const id = String(item['id']);
      const code = this.refusals.get(id);
      if (code !== undefined)
        return { id, status: 'refused', code, detail: 'Refused by the test.' };
      return { id, status: this.#put(group, item) ? 'created' : 'exists' };
    });
    return [200, { position: this.position, results }];
  }

  #put(group: string, item: Json): boolean {
    const table = this.#table(group);
    const id = String(item['id']);
    if (table.has(id)) return false;
    this.position++;
    const currency = this.ledgers.get(Number(item['ledger']))?.['currency'] ?? '';
    table.set(id, { ...defaultsOf(group), ...item, currency });
    if (group === 'transfers') this.#move(item);
    return true;
  }

  #move(transfer: Json): void {
    const amount = BigInt((transfer['amount'] as string | undefined) ?? '0');
    const sides = [
      ['debit_account_id', 'debits_posted'],
      ['credit_account_id', 'credits_posted'],
    ] as const;
    for (const [side, balance] of sides) {
      const account = this.accounts.get(String(transfer[side]));
      if (account === undefined) continue;
      account[balance] = String(BigInt(String(account[balance])) + amount);
    }
  }
}

function defaultsOf(group: string): Json {
  const shared = {
    flags: [],
    user_data_128: '0'.repeat(32),
    user_data_64: '0',
    user_data_32: 0,
    timestamp_ns: '1767225600000000000',
  };
  if (group === 'accounts') {
    const zero = '0';
    return {
      ...shared,
      debits_pending: zero,
      debits_posted: zero,
      credits_pending: zero,
      credits_posted: zero,
    };
  }
  return {
    ...shared,
    debit_account_id: `acc_${'0'.repeat(32)}`,
    credit_account_id: `acc_${'0'.repeat(32)}`,
    amount: '0',
    ledger: 978,
    code: 1,
    pending_id: null,
    timeout_seconds: 0,
    state: 'accepted',
    hold: 'none',
  };
}

/** A problem document as the node words it. */
export function problem(status: number, code: string): [number, Json] {
  return [status, problemBody(status, code)];
}

export function problemBody(status: number, code: string): Json {
  return {
    type: `urn:holdfast:problem:${code}`,
    title: code,
    status,
    code,
    detail: `The test says ${code}.`,
    money: 'Nothing was moved.',
    action: 'Look at the test.',
    retryable: status === 503 || status === 429,
    request_id: 'req_1',
  };
}
