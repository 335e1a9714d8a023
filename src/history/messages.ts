// What the payments' thread and the two threads of the history say to each other. The writer makes
// files, the reader answers questions; both see the chunks that the payments' thread fills, and
// learn by a message how far they are filled.

import type { Answer, Found, Gap, Question } from './query.ts';
import type { RunEntry } from './run-format.ts';

/** The reader is told of so many transfers at a time, by a number that it looks at. */
export const PROGRESS_UNIT = 1024;

export type ThreadSetup = { readonly folder: string; readonly size: number };

/** A chunk that is shared. */
export type SharedPart = {
  readonly run: number;
  readonly buffer: SharedArrayBuffer;
  /** Number of the first transfer that is in it. */
  readonly from: number;
  readonly expired: readonly Uint32Array[];
};

export type ToWriter =
  | { readonly kind: 'seal'; readonly part: SharedPart }
  | {
      readonly kind: 'persist';
      readonly id: number;
      readonly parts: readonly SharedPart[];
      readonly position: number;
      readonly through: number;
    }
  /** Runs that somebody else has made. */
  | { readonly kind: 'learn'; readonly entries: readonly RunEntry[] }
  | { readonly kind: 'close' };

export type FromWriter =
  | {
      readonly kind: 'ready';
      readonly entries: readonly RunEntry[];
      readonly damaged: readonly (readonly [number, string])[];
      readonly parts: readonly (SharedPart & { readonly count: number })[];
      readonly position: number;
      /** Why it cannot make runs; undefined = it can. */
      readonly doubt: string | undefined;
      readonly tailBytes: number;
      readonly notes: readonly string[];
    }
  | {
      readonly kind: 'sealed';
      readonly entry: RunEntry;
      readonly durationMs: number;
      readonly tailBytes: number;
    }
  | { readonly kind: 'seal-failed'; readonly run: number; readonly why: string }
  | { readonly kind: 'learnt'; readonly doubt: string | undefined }
  | {
      readonly kind: 'persisted';
      readonly id: number;
      readonly why: string | undefined;
      readonly tailBytes: number;
    };

export type ToReader =
  | {
      readonly kind: 'start';
      readonly entries: readonly RunEntry[];
      readonly damaged: readonly (readonly [number, string])[];
      readonly parts: readonly SharedPart[];
      readonly gap: Gap | undefined;
      /** How far the chunks are filled, in PROGRESS_UNIT transfers: one Int32. */
      readonly progress: SharedArrayBuffer;
    }
  | { readonly kind: 'opened'; readonly part: SharedPart }
  | { readonly kind: 'expired'; readonly run: number; readonly ids: Uint32Array }
  | { readonly kind: 'sealed'; readonly entry: RunEntry }
  /** A run is there again; its chunk never was. */
  | { readonly kind: 'restored'; readonly entries: readonly RunEntry[] }
  | { readonly kind: 'gap'; readonly gap: Gap | undefined; readonly dropped: boolean }
  /** The first chunk's missing part has been put in, and there is no gap any more. */
  | { readonly kind: 'filled'; readonly expired: Uint32Array; readonly through: number }
  | { readonly kind: 'query'; readonly id: number; readonly question: Question }
  | {
      readonly kind: 'find';
      readonly id: number;
      readonly key: Uint32Array;
      readonly through: number;
    };

export type FromReader =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly kind: 'found'; readonly id: number; readonly found: Found | undefined }
  | { readonly kind: 'incomplete'; readonly id: number; readonly why: string }
  | { readonly kind: 'failed'; readonly id: number; readonly why: string }
  | { readonly kind: 'released'; readonly run: number }
  | { readonly kind: 'damaged'; readonly run: number; readonly why: string };
