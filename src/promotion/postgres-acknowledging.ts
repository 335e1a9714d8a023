// synchronous_standby_names: `ANY 1 (n2, n3)`, `FIRST 2 (a, b)`, `2 (a, b)`, `a, b`, `*`. FIRST and
// ANY come to the same here: k of the n named have what was acknowledged.

import type { Acknowledging } from './members.ts';

/** A name under which nobody acknowledges: with it a primary is fenced. */
export const FENCE_LABEL = 'holdfast_fenced';

const COUNTED = /^(?:(?:any|first)\s+)?(?<quorum>[0-9]+)\s*\((?<labels>.*)\)$/is;
const LABEL = /"(?:[^"]|"")*"|[^\s,"]+/g;

export function parseAcknowledging(text: string): Acknowledging {
  const trimmed = text.trim();
  const groups = COUNTED.exec(trimmed)?.groups;
  const labels = ((groups === undefined ? trimmed : groups['labels']) ?? '').match(LABEL) ?? [];
  const names = labels.map((label) =>
    label.startsWith('"') ? label.slice(1, -1).replaceAll('""', '"') : label,
  );
  const isAnybody = names.includes('*');
  const quorum = names.length === 0 ? 0 : Number(groups?.['quorum'] ?? 1);
  return { quorum, labels: names.filter((name) => name !== '*'), isAnybody };
}

export function formatAcknowledging({ quorum, labels }: Acknowledging): string {
  const names = labels.map((label) => `"${label.replaceAll('"', '""')}"`);
  return `ANY ${quorum} (${names.join(', ')})`;
}
