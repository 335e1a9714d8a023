// Port: time. The engine stamps entries with it; the domain never sees it.

export interface Clock {
  /** Nanoseconds since 1970-01-01T00:00:00Z. May jump; callers that need order take care of it. */
  nowNs(): bigint;
  /** Milliseconds from an arbitrary start; never goes back. For deadlines and durations. */
  monotonicMs(): number;
  /** Resolves after `ms` milliseconds, or as soon as `signal` aborts (without error). */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}
