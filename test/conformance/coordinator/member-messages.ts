// What a member process and the test that started it say to each other.

import type { DriverChoice } from './harness.ts';

export type Order =
  | { readonly kind: 'open'; readonly choice: DriverChoice; readonly id: string }
  | { readonly kind: 'campaign' }
  | { readonly kind: 'resign' }
  | { readonly kind: 'ask' }
  /** Notes itself as the leader of every epoch up to this one. */
  | { readonly kind: 'claim'; readonly epochs: number; readonly id: string };

export type Told =
  | { readonly kind: 'ready' }
  | { readonly kind: 'opened' }
  | { readonly kind: 'granted' }
  | { readonly kind: 'resigned' }
  | { readonly kind: 'lost'; readonly reason: string; readonly isHeld: boolean }
  | { readonly kind: 'asked'; readonly isHeld: boolean }
  /** Where it was the one that noted itself. */
  | { readonly kind: 'claimed'; readonly epochs: readonly number[] };
