// Port: chance. For nonces, cluster ids and keys; seeded in simulations.

export interface Entropy {
  bytes(count: number): Uint8Array;
}
