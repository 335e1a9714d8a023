// What the document says about the whole of the API, and the tags.

import type { Json } from './json-schema.ts';

const DESCRIPTION = `The HTTP API of a Holdfast node. Every node of a cluster answers all of it.

**Key.** \`Authorization: Bearer <key>\`, everywhere but at \`/livez\` and \`/readyz\`.

**Ids make retries safe.** A transfer, an account and a posting carry an id of the client's. Under one id money moves at most once: the same request again is answered 200 with what stands in the books, another body under a used id is refused. There is no \`Idempotency-Key\`.

**Unknown is an answer.** 503 \`outcome_unknown\` says that nobody knows yet whether it was done. Send the same request with the same ids again.

**Amounts** are strings of minor units: \`"1250"\` is 12.50 EUR.

**Bodies** are JSON (\`application/json\`, UTF-8, not compressed), at most 8 MiB, and strict: unknown members, duplicate keys, numbers where strings belong and unknown query parameters are refused, and one wrong element changes nothing at all.

**Answers** may get further members: ignore what you do not know. Each carries \`Request-Id\`. What reflects the books carries \`Holdfast-Position\`; sent back with a read, at any node, it makes sure that you read your own writes.

**Problems** are RFC 9457 documents; each operation lists the \`code\`s that it can answer with. Answers that belong to no operation: 404 \`route_not_found\`, 405 \`method_not_allowed\` (with \`Allow\`), and 417 for an \`Expect\` that the server does not know. GET answers HEAD as well, without a body.`;

export const INFO: { readonly [name: string]: Json } = {
  title: 'Holdfast',
  summary: 'A payment core that keeps running when machines fail',
  description: DESCRIPTION,
  license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
};

export const TAGS: readonly { readonly name: string; readonly description: string }[] = [
  { name: 'Ledgers', description: 'The currency and the number of decimals behind a number.' },
  { name: 'Accounts', description: 'Opened, frozen, looked at.' },
  { name: 'Transfers', description: 'Money moved from one account to another; holds.' },
  { name: 'Postings', description: 'Money moved between many accounts at once, all or none.' },
  { name: 'Reports', description: 'For people, as JSON or CSV, at nodes that keep views.' },
  { name: 'Checkpoints', description: 'The state written down, so that a start is short.' },
  { name: 'Cluster', description: 'Who leads, and steering it. None of it moves money.' },
  { name: 'Node', description: 'How this node is, and this document.' },
  { name: 'Probes', description: 'For load balancers.' },
];
