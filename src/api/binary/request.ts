// What a request of the binary door has become when it has been read.

import type { Command } from '../../domain/commands.ts';
import type { SubmitResult } from '../../engine/contract.ts';
import type { AnswerParts } from './parts.ts';

/** A frame whose header has not been written yet. */
export type Answer = Uint8Array<ArrayBuffer>;

/** What a request asks for: a command to wait for, or an answer that is there already. */
export type Request =
  | {
      readonly kind: 'command';
      readonly command: Command;
      /** May throw an ApiProblem: a single thing that the books refused. */
      readonly answer: (result: SubmitResult) => Answer;
    }
  | { readonly kind: 'answer'; readonly answer: Answer }
  /** An answer that takes more than this turn; aborted like a command at its deadline. */
  | {
      readonly kind: 'later';
      /** What the answer may take: held from the reading on, so that many pages stay bounded. */
      readonly answerBytesMax: number;
      readonly answer: (signal: AbortSignal) => Promise<Answer | AnswerParts>;
    };
