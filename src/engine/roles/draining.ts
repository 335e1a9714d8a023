// The role "draining": a clustered node that was told to stop takes nothing new. A leader hands
// over first, so that nobody waits; what it still holds is then answered through the next leader.

import { OperationalError } from '../../base/errors.ts';
import type { MemberParts } from './member-parts.ts';

/** A standby that has not taken over by then will not. */
const HAND_OVER_MS_MAX = 2000;

export type DrainOptions = {
  readonly drainMs: number;
  readonly isLeading: () => boolean;
};

export async function drainMember(parts: MemberParts, options: DrainOptions): Promise<void> {
  const { stations, cluster, forwarder } = parts;
  const { clock } = stations.options;
  const { signal } = stations.ending;
  const { role } = stations;
  if (role !== 'leading' && role !== 'following') return;
  const untilMs = clock.monotonicMs() + options.drainMs;
  stations.intake.close(new OperationalError('SHUTTING_DOWN'));
  if (options.isLeading() && options.drainMs > 0) {
    const patience = AbortSignal.timeout(Math.min(HAND_OVER_MS_MAX, options.drainMs));
    // Nobody to hand over to: what is queued is answered here.
    await cluster.leadership.switchover(undefined, patience).catch(() => undefined);
  }
  if (stations.isHalted()) return;
  stations.become('draining', 'The node was asked to stop.');
  // Whoever has handed over follows for a moment, and takes commands while it does.
  stations.intake.close(new OperationalError('SHUTTING_DOWN'));
  const emptied = stations.leading === undefined ? forwarder.drain() : stations.leading.drain();
  await Promise.race([emptied, clock.sleep(Math.max(0, untilMs - clock.monotonicMs()), signal)]);
  if (!stations.isHalted())
    await stations.checkpointing?.finish(Math.max(0, untilMs - clock.monotonicMs()));
}
