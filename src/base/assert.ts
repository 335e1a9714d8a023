// Assertions stay on in production: a broken invariant must stop the node before it can be
// acknowledged, and recovery takes over from the journal. Never use them for bad input.

export class AssertionFailed extends Error {
  override readonly name = 'AssertionFailed';
}

/**
 * Throws `AssertionFailed` when `condition` does not hold. The message says which invariant broke.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailed(message);
}

/** The end of an exhaustive `switch`: unreachable while the union is complete. */
export function assertNever(value: never, message: string): never {
  throw new AssertionFailed(`${message}: ${String(value)}`);
}
