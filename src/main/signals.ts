// What tells a process to end: signals, and for a node that a supervisor started the end of that
// supervisor.

/** What comes again so soon after the first signal is its echo. */
const SAME_SIGNAL_MS = 500;

export type Stopping = {
  /** Resolves with what it was. */
  readonly told: Promise<string>;
  /** Listens no more, so that the process can end. */
  close(): void;
};

/**
 * Resolves, with what it was, at the first SIGINT or SIGTERM; the second ends the process at once.
 * One Ctrl-C can come twice: a terminal signals everybody in the foreground, and a wrapper hands
 * its own on.
 */
export function toldToStop(): Stopping {
  const { promise, resolve } = Promise.withResolvers<string>();
  let toldAtMs: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (toldAtMs !== undefined && nowMs - toldAtMs > SAME_SIGNAL_MS) process.exit(1);
    toldAtMs ??= nowMs;
    resolve(signal);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return { told: promise, close: () => undefined };
}

/**
 * The same for a node of a supervisor. SIGINT is not for it: a terminal's Ctrl-C reaches all of
 * them at once, and the supervisor then ends them in order. Its standard input is a pipe that
 * nobody writes to: when it ends, the supervisor has died, and nobody would ever stop this process.
 */
export function toldToStopBySupervisor(): Stopping {
  const { promise, resolve } = Promise.withResolvers<string>();
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', resolve);
  process.stdin.on('error', () => resolve('the end of its supervisor'));
  process.stdin.on('close', () => resolve('the end of its supervisor'));
  process.stdin.resume();
  return { told: promise, close: () => process.stdin.destroy() };
}
