// Rare requests of the binary door that change the books: freezing, postings, reverts. The same
// acts as those of the HTTP routes; their answers are JSON or the record of an account.

import { foundAccountsFrame } from '../../base/answers.ts';
import { assert } from '../../base/assert.ts';
import type { Frame } from '../../base/frame-reader.ts';
import { formatId } from '../../base/ids.ts';
import { POSTING_LEGS_MAX } from '../../base/limits.ts';
import { textFrame } from '../../base/protocol.ts';
import type { Transfer } from '../../base/transfer-record.ts';
import { accountFlagsCommand } from '../../domain/commands.ts';
import { findAccount } from '../../domain/queries.ts';
import { CREATED, REFUSAL } from '../../domain/refusals.ts';
import type { Engine } from '../../engine/contract.ts';
import { booksAfterOutcome, refusalProblem } from '../context.ts';
import { postingText } from '../output.ts';
import { readPosting } from '../posting.ts';
import {
  type ChainDone,
  chainCommand,
  chainDone,
  revertOfTransfer,
  revertsOfPosting,
} from '../posting-acts.ts';
import { ApiProblem } from '../problems.ts';
import { idsOf, jsonOf } from './payloads.ts';
import type { Answer, Request } from './request.ts';

/** A posting of the most legs, as JSON. */
const ANSWER_BYTES_MAX = 1024 * POSTING_LEGS_MAX;

/** Takes the account to be in the other state; where it is in the wanted one, the books say so. */
export function setFrozen({ payload }: Frame, engine: Engine, frozen: boolean): Request {
  const id = oneIdOf(payload);
  const account = id.toString(16).padStart(32, '0');
  return {
    kind: 'command',
    command: accountFlagsCommand({ account, frozen, expected_frozen: !frozen }),
    answer: ({ outcome, position }) => {
      const code = outcome.codes[0]!;
      if (code !== CREATED && code !== REFUSAL.account_flags_changed_meanwhile) {
        throw refusalProblem(code, position);
      }
      const view = findAccount(booksAfterOutcome({ engine }), id);
      assert(view !== undefined, 'an account whose state was changed exists');
      // Balances are those of now, which is the position of this command or a later one.
      const now = Math.max(position, engine.status().position);
      return foundAccountsFrame({ position: now, found: [view] });
    },
  };
}

export function createPosting({ payload }: Frame, engine: Engine): Request {
  const { id, transfers } = readPosting(jsonOf(payload));
  return {
    kind: 'command',
    command: chainCommand(transfers),
    answer: (result) => {
      const done = chainDone(transfers, result, () => booksAfterOutcome({ engine }));
      return postingAnswer(id, done);
    },
  };
}

export function revertPosting({ payload }: Frame, engine: Engine): Request {
  const id = oneIdOf(payload);
  return {
    kind: 'later',
    answerBytesMax: ANSWER_BYTES_MAX,
    answer: async (signal) => {
      const done = await carryOut(engine, await revertsOfPosting(engine, id, signal), signal);
      return postingAnswer(formatId('posting', id), done);
    },
  };
}

export function revertTransfer({ payload }: Frame, engine: Engine): Request {
  const id = oneIdOf(payload);
  return {
    kind: 'later',
    answerBytesMax: ANSWER_BYTES_MAX,
    answer: async (signal) => {
      const done = await carryOut(engine, await revertOfTransfer(engine, id, signal), signal);
      const { position, status, texts } = done;
      return textFrame(`{"position":${position},"status":"${status}","transfer":${texts[0]!}}`);
    },
  };
}

async function carryOut(
  engine: Engine,
  transfers: readonly Transfer[],
  signal: AbortSignal,
): Promise<ChainDone> {
  const result = await engine.submit(chainCommand(transfers), signal);
  return chainDone(transfers, result, () => booksAfterOutcome({ engine }));
}

function postingAnswer(id: string, { position, status, texts }: ChainDone): Answer {
  return textFrame(`{"position":${position},${postingText(id, status, texts).slice(1)}`);
}

function oneIdOf(payload: Uint8Array): bigint {
  const ids = idsOf(payload, 1);
  const id = ids[0];
  if (id === undefined) throw new ApiProblem('frame_malformed');
  return id;
}
