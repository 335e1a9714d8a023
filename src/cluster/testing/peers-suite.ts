// What every PeerNetwork promises, whatever carries it. Run over sockets and over memory.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OperationalError, isOperationalError } from '../../base/errors.ts';
import { PEER_QUESTIONS, type PeerNetwork, type PeerState } from '../contract.ts';

/** One cluster; its networks are closed with it. */
export type PeersRig = AsyncDisposable & {
  /** Open; the id may be one that was closed before. */
  open(id: string): Promise<PeerNetwork>;
  /** Everybody open now learns of everybody, with their present addresses. */
  introduce(): void;
};

const NEVER = new AbortController().signal;
const { forward, challenge, readPosition } = PEER_QUESTIONS;

export function stateAt(position: number, more: Partial<PeerState> = {}): PeerState {
  return {
    role: 'following',
    reason: 'It follows node-1.',
    epoch: 3,
    position,
    durable: position + 1,
    neededFrom: 17,
    checkpoint: 16,
    configuration: 'ab'.repeat(32),
    clockNs: '1',
    release: '0.1.0',
    pause: { isPaused: false, sinceMs: 0, why: '' },
    impediment: '',
    ...more,
  };
}

/** Waits for what a network tells its listeners. */
export async function sees(network: PeerNetwork, condition: () => boolean): Promise<void> {
  if (condition()) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = network.subscribe(() => {
    if (condition()) resolve();
  });
  await promise.finally(end);
}

export async function linked(network: PeerNetwork, ...ids: string[]): Promise<void> {
  await sees(network, () => ids.every((id) => network.peer(id)?.isLinked === true));
}

async function pair(rig: PeersRig): Promise<[PeerNetwork, PeerNetwork]> {
  const one = await rig.open('node-1');
  const two = await rig.open('node-2');
  rig.introduce();
  await Promise.all([linked(one, 'node-2'), linked(two, 'node-1')]);
  return [one, two];
}

const echo = (_from: string, payload: Uint8Array): Promise<Uint8Array> => Promise.resolve(payload);

export function describePeerNetwork(name: string, makeRig: () => Promise<PeersRig>): void {
  describe(`the channel between nodes, ${name}`, () => {
    describeLinks(makeRig);
    describeStates(makeRig);
    describeQuestions(makeRig);
    describeFailures(makeRig);
    describeGivingUp(makeRig);
  });
}

function describeLinks(makeRig: () => Promise<PeersRig>): void {
  it('links everybody with everybody and passes over the own id', async () => {
    await using rig = await makeRig();
    const ids = ['node-1', 'node-2', 'node-3'];
    const networks = await Promise.all(ids.map((id) => rig.open(id)));
    rig.introduce();
    await Promise.all(
      networks.map((network, index) => linked(network, ...ids.toSpliced(index, 1))),
    );
    for (const [index, network] of networks.entries()) {
      assert.deepEqual(
        network.peers().map(({ id }) => id),
        ids.toSpliced(index, 1),
      );
    }
    assert.equal(networks[0]!.peer('node-2')?.lostMs, 0);
    assert.match(networks[0]!.peer('node-2')?.addresses.url ?? '', /^http:/);
  });

  it('says when a link is lost, keeps what was heard, and links again after a restart', async () => {
    await using rig = await makeRig();
    const [one, two] = await pair(rig);
    two.tell(stateAt(5));
    await sees(one, () => one.peer('node-2')?.state?.position === 5);
    await two.close();
    await sees(one, () => one.peer('node-2')?.isLinked === false);
    assert.equal(one.peer('node-2')?.state?.position, 5);
    const again = await rig.open('node-2');
    rig.introduce();
    again.tell(stateAt(6));
    await sees(one, () => one.peer('node-2')?.state?.position === 6);
    assert.equal(one.peer('node-2')?.isLinked, true);
    await linked(again, 'node-1');
  });

  it('lists nobody twice and forgets who is not known any more once the link is lost', async () => {
    await using rig = await makeRig();
    const [one, two] = await pair(rig);
    one.know([]);
    assert.equal(one.peers().length, 1);
    await two.close();
    await sees(one, () => one.peer('node-2') === undefined);
    assert.deepEqual(one.peers(), []);
  });

  it('is closed as often as anybody likes', async () => {
    await using rig = await makeRig();
    const [one, two] = await pair(rig);
    await Promise.all([one.close(), one.close()]);
    await one.close();
    assert.equal(one.peer('node-2')?.isLinked ?? false, false);
    await sees(two, () => two.peer('node-1')?.isLinked === false);
  });
}

function describeStates(makeRig: () => Promise<PeersRig>): void {
  it('carries every member of a state, and the sender puts its clock into it', async () => {
    await using rig = await makeRig();
    const [one, two] = await pair(rig);
    const first = stateAt(2 ** 53 - 2, { role: 'leading', epoch: 2 ** 40, neededFrom: 0 });
    const second = stateAt(9, {
      reason: 'Überholt; "zweite" Zeile:\n€ 😀',
      impediment: 'JOURNAL_FULL',
      pause: { isPaused: true, sinceMs: 1_700_000_000_000, why: 'maintenance' },
    });
    for (const state of [first, second]) {
      two.tell(state);
      await sees(one, () => one.peer('node-2')?.state?.position === state.position);
      const heard = one.peer('node-2')!.state!;
      assert.ok(BigInt(heard.clockNs) > 1n);
      assert.deepEqual({ ...heard, clockNs: '1' }, state);
    }
  });

  it('tells one state for all that is told in one turn', async () => {
    await using rig = await makeRig();
    const [one, two] = await pair(rig);
    const positions: number[] = [];
    one.subscribe(({ state }) => positions.push(state?.position ?? 0));
    for (let position = 1; position <= 1000; position++) two.tell(stateAt(position));
    await sees(one, () => one.peer('node-2')?.state?.position === 1000);
    assert.equal(
      positions.some((position) => position > 0 && position < 1000),
      false,
    );
  });

  it('tells the last state to whoever comes later', async () => {
    await using rig = await makeRig();
    const one = await rig.open('node-1');
    one.tell(stateAt(44));
    const two = await rig.open('node-2');
    rig.introduce();
    await sees(two, () => two.peer('node-1')?.state?.position === 44);
  });

  it('outlives a listener that throws', async () => {
    await using rig = await makeRig();
    const [one, two] = await pair(rig);
    const end = one.subscribe(() => {
      throw new Error('a listener that must not throw');
    });
    two.tell(stateAt(7));
    await sees(one, () => one.peer('node-2')?.state?.position === 7);
    end();
  });
}

function describeQuestions(makeRig: () => Promise<PeersRig>): void {
  it('answers many questions both ways at once, in whatever order', async () => {
    await using rig = await makeRig();
    const [one, two] = await pair(rig);
    const held: (() => void)[] = [];
    const heldBack = (from: string, payload: Uint8Array): Promise<Uint8Array> => {
      const { promise, resolve } = Promise.withResolvers<Uint8Array>();
      held.push(() => resolve(Buffer.from(`${from}:${Buffer.from(payload).toString()}`)));
      if (held.length === 400) for (const answer of held.reverse()) answer();
      return promise;
    };
    one.answer(forward, heldBack);
    two.answer(forward, heldBack);
    const asked = Array.from({ length: 400 }, async (_, index) => {
      const [asker, id] = index % 2 === 0 ? [one, 'node-2'] : [two, 'node-1'];
      const answer = await asker.ask(id, forward, Buffer.from(`${index}`), NEVER);
      return Buffer.from(answer).toString();
    });
    const answers = await Promise.all(asked);
    assert.deepEqual(
      answers,
      answers.map((_, index) => `node-${(index % 2) + 1}:${index}`),
    );
  });

  it('carries payloads of every size up to its bounds unchanged', async () => {
    await using rig = await makeRig();
    const [one, two] = await pair(rig);
    two.answer(forward, echo);
    for (const bytes of [0, 1, 7, 8, 9, 1000, 65_537, 1024 * 1024]) {
      const payload = new Uint8Array(bytes).map((_, index) => (index * 7) % 251);
      const answer = await one.ask('node-2', forward, payload.slice(), NEVER);
      assert.ok(Buffer.from(answer).equals(payload), `${bytes} bytes`);
    }
    const large = new Uint8Array(16 * 1024 * 1024).fill(9);
    two.answer(challenge, () => Promise.resolve(large.slice()));
    const answer = await one.ask('node-2', challenge, new Uint8Array(0), NEVER);
    assert.ok(Buffer.from(answer).equals(large));
  });
}

function describeFailures(makeRig: () => Promise<PeersRig>): void {
  it('brings back the operational error of a handler, and hides what is unforeseen', async () => {
    await using rig = await makeRig();
    const [one, two] = await pair(rig);
    const refusal = { detail: 'node-2 is 17 entries behind.', wayOut: 'Wait a moment.' };
    two.answer(forward, () => Promise.reject(new OperationalError('SWITCHOVER_REFUSED', refusal)));
    two.answer(challenge, () => {
      throw new Error('secret of node-2');
    });
    const ask = (kind: typeof forward | typeof challenge | typeof readPosition) =>
      one.ask('node-2', kind, new Uint8Array(3), NEVER);
    await assert.rejects(ask(forward), { code: 'SWITCHOVER_REFUSED', ...refusal });
    await assert.rejects(ask(challenge), (error) => {
      assert.ok(isOperationalError(error, 'OUTCOME_UNKNOWN'));
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
    await assert.rejects(ask(readPosition), { code: 'NOT_READY' });
  });

  it('says NOT_READY for what was not sent and OUTCOME_UNKNOWN for what was', async () => {
    await using rig = await makeRig();
    const [one, two] = await pair(rig);
    const reached = Promise.withResolvers<AbortSignal>();
    two.answer(forward, (_from, _payload, signal) => {
      reached.resolve(signal);
      return new Promise(() => undefined);
    });
    const nothing = new Uint8Array(0);
    await assert.rejects(one.ask('node-9', forward, nothing, NEVER), { code: 'NOT_READY' });
    await assert.rejects(one.ask('node-2', forward, nothing, AbortSignal.abort()), {
      code: 'NOT_READY',
    });
    const asked = one.ask('node-2', forward, nothing, NEVER);
    const signal = await reached.promise;
    const lost = assert.rejects(asked, { code: 'OUTCOME_UNKNOWN' });
    await two.close();
    await lost;
    assert.equal(signal.aborted, true);
    await assert.rejects(one.ask('node-2', forward, nothing, NEVER), { code: 'NOT_READY' });
  });
}

function describeGivingUp(makeRig: () => Promise<PeersRig>): void {
  it('ends a question that is given up, on both sides', async () => {
    await using rig = await makeRig();
    const [one, two] = await pair(rig);
    const aborted = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    two.answer(forward, (_from, payload, signal) => {
      if (payload.byteLength > 0) return Promise.resolve(payload);
      signal.addEventListener('abort', () => aborted.resolve());
      reached.resolve();
      return aborted.promise.then(() => payload);
    });
    const controller = new AbortController();
    const asked = one.ask('node-2', forward, new Uint8Array(0), controller.signal);
    await reached.promise;
    controller.abort();
    await assert.rejects(asked, { code: 'OUTCOME_UNKNOWN' });
    await aborted.promise;
    // The late answer disturbs nobody.
    assert.equal((await one.ask('node-2', forward, new Uint8Array(4), NEVER)).byteLength, 4);
  });

  it('ends the open questions when it is closed', async () => {
    await using rig = await makeRig();
    const [one, two] = await pair(rig);
    two.answer(forward, () => new Promise(() => undefined));
    const asked = one.ask('node-2', forward, new Uint8Array(0), NEVER);
    const lost = assert.rejects(asked, { code: 'OUTCOME_UNKNOWN' });
    await one.close();
    await lost;
  });
}
