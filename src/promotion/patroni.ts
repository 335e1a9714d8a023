// Patroni's REST interface, asked beside the look at the members: it also answers for a server that
// is down, which SQL cannot. Only asked where the operator says at which port it would be.

import type { EngineHand } from './hand.ts';
import type { MemberView } from './members.ts';

type Host = { readonly host: string; readonly port: number };

const ANSWER_MS_MAX = 1000;

/** The same hand, whose members also show what answers at that port of their machines. */
export function withPatroniAsked(
  hand: EngineHand,
  hosts: readonly Host[],
  patroniPort: number,
): EngineHand {
  return {
    engine: hand.engine,
    look: async () => {
      const members = await hand.look();
      const signs = await Promise.all(hosts.map(({ host }) => signOf(host, patroniPort)));
      return members.map((member, index): MemberView => {
        const found = signs[index] ?? '';
        if (found === '') return member;
        return { ...member, patroniSigns: [...member.patroniSigns, found] };
      });
    },
    carryOut: (act, term) => hand.carryOut(act, term),
    statements: (act, term) => hand.statements(act, term),
    undoing: (act) => hand.undoing(act),
    sound: (member) => hand.sound(member),
    compareReceived: (a, b) => hand.compareReceived(a, b),
    close: () => hand.close(),
  };
}

/** '' = nobody there calls himself Patroni. */
async function signOf(host: string, port: number): Promise<string> {
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/patroni`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    const body = (await answer.json()) as { readonly patroni?: unknown };
    return body.patroni === undefined ? '' : `${url} answers as Patroni`;
  } catch {
    return '';
  }
}
