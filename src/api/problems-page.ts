// The page of all problems, docs/reference/problems.md, generated from the tables so that neither
// can change without the other (a test compares). It is written by
// `node src/api/problems-page.ts --write`.

import { writeFileSync } from 'node:fs';
import { type ProblemKind, problemKinds, problemType } from './problems.ts';

export const PROBLEMS_PAGE = new URL('../../docs/reference/problems.md', import.meta.url);

const SECTIONS: readonly (readonly [ProblemKind['origin'], string, string])[] = [
  [
    'refusal',
    'The books refuse',
    'Business refusals: the answer to a single transfer, account or ledger, and `code` in the results of a batch (with status 200 for the batch). They are final answers, not failures. In the order of `src/domain/refusals.ts`.',
  ],
  [
    'operational',
    'The node cannot now',
    'Something outside the books is in the way. 429 and 503 carry `Retry-After`; the same request with the same ids may always be sent again.',
  ],
  [
    'api',
    'The request is wrong',
    'Found at the door: nothing of the request has reached the books. Input errors stand in `errors` with a pointer.',
  ],
];

export function problemsPage(): string {
  const parts = [
    '# Problems\n\nEvery error is a problem document (RFC 9457) with one of these codes. `type` is `' +
      `${problemType('exceeds_credits').replace('exceeds_credits', '')}<code>\`. ` +
      '*Again* says whether the same request with the same ids can succeed later. This page is generated from the tables in `src/` by `node src/api/problems-page.ts --write`.\n',
  ];
  for (const [origin, title, introduction] of SECTIONS) {
    parts.push(`## ${title}\n\n${introduction}\n`);
    parts.push(table(problemKinds().filter((kind) => kind.origin === origin)));
  }
  return parts.join('\n');
}

function table(kinds: readonly ProblemKind[]): string {
  const rows = kinds.map(({ code, status, retryable, text, money, action }) =>
    row([`\`${code}\``, String(status), retryable ? 'yes' : 'no', text, money, action]),
  );
  const head = row(['code', 'status', 'again', 'what happened', 'the money', 'what to do']);
  return `${head}${row(Array.from({ length: 6 }, () => '---'))}${rows.join('')}`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |\n`;
}

if (import.meta.main && process.argv.includes('--write')) {
  writeFileSync(PROBLEMS_PAGE, problemsPage());
}
