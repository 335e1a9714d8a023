// What a member process and the test that started it say to each other.

import type { DriverChoice } from './harness.ts';

export type Order =
  | { readonly kind: 'open'; readonly choice: DriverChoice; readonly id: string }
  | { readonly kind: 'campaign' }
  | { readonly kind: 'resign' }
  | { readonly kind: 'ask' };

export type Told =
  | { readonly kind: 'ready' }
  | { readonly kind: 'opened' }
  | { readonly kind: 'granted' }
  | { readonly kind: 'resigned' }
  | { readonly kind: 'lost'; readonly reason: string; readonly isHeld: boolean }
  | { readonly kind: 'asked'; readonly isHeld: boolean };
