// The engine's observer for spans: what was made durable, and what a change of the leader took.

import type { Spans } from '../telemetry/spans.ts';
import type { EngineObserver } from './observer.ts';

/** The same observer, with spans beside. */
export function alsoSpanning(observer: EngineObserver, spans: Spans): EngineObserver {
  return {
    ...observer,
    appended: (entryBytes, commandCount, durationMs) => {
      observer.appended(entryBytes, commandCount, durationMs);
      const attributes = {
        'holdfast.entry.bytes': entryBytes,
        'holdfast.entry.commands': commandCount,
      };
      spans.ended('journal append', durationMs, attributes);
    },
    tookOver: (steps) => {
      observer.tookOver(steps);
      const { epoch, lockMs, restMs, openingMs } = steps;
      const attributes = {
        'holdfast.epoch': epoch,
        'holdfast.lock_ms': lockMs,
        'holdfast.rest_ms': restMs,
        'holdfast.opening_ms': openingMs,
      };
      spans.ended('take over', lockMs + restMs + openingMs, attributes);
    },
  };
}
