// `holdfast journal verify`: every byte by its digest, the chain, the reader rule, and a replay of
// all entries through the domain with the books asserted after each command and added up afresh at
// the end. It shares no code with a node's start but the rules themselves, and changes nothing.

import { type Entry, toHex } from '../base/entry.ts';
import { formatDecimal } from '../base/money.ts';
import { isOperationalError } from '../base/errors.ts';
import { assertBooksBalanceFully } from '../domain/domain.ts';
import { HASH_KEY_BYTES, seedIdHashes } from '../domain/ledger/id-hash.ts';
import { counts, ledgerTotals, listLedgers } from '../domain/queries.ts';
import type { InspectionItem } from '../drivers/file/inspect.ts';
import { ReaderRule } from '../recovery/reader-rule.ts';
import { Replica } from '../recovery/replica.ts';
import { ExitCode } from './exit-codes.ts';
import { CliFailure } from './failure.ts';
import type { JournalSource } from './journal-source.ts';
import { type Output, instant } from './output.ts';

type Finding = Extract<InspectionItem, { readonly kind: 'finding' }>;
type Damage = Extract<InspectionItem, { readonly kind: 'damage' }>;
type StoredItem = Extract<InspectionItem, { readonly kind: 'entry' }>;

type Fault = {
  readonly code: string;
  readonly file: string;
  readonly byteOffset: number;
  readonly position: number;
  readonly found: string;
  readonly wayOut: string;
};

type Verification = {
  readonly replica: Replica;
  readonly reader: ReaderRule;
  segments: number;
  entries: number;
  voided: number;
  /** What one directory has otherwise than another: the next start repairs it. */
  readonly damages: Damage[];
  last: Entry | undefined;
  torn: Finding | undefined;
  fault: Fault | undefined;
};

const BOOKS_WAY_OUT =
  'Keep the data folder as it is and start no node on it. Compare with a backup or another node; ' +
  'if this journal was written by another release, verify it with that one.';

export async function verifyJournal(options: {
  readonly output: Output;
  readonly source: JournalSource;
}): Promise<number> {
  const { output, source } = options;
  seedIdHashes(crypto.getRandomValues(new Uint8Array(HASH_KEY_BYTES)));
  const verification = await verify(source);
  if (output.isJson) output.json(resultJson(verification, source.name));
  else showResult(output, verification, source.name);
  const { fault } = verification;
  if (fault === undefined) return ExitCode.ok;
  throw new CliFailure({
    exitCode: ExitCode.failed,
    code: fault.code,
    message: `${fault.file}, byte ${fault.byteOffset}, position ${fault.position}: ${fault.found}.`,
    money: `Everything before position ${fault.position} is whole; nothing was changed.`,
    action: fault.wayOut,
  });
}

async function verify(source: JournalSource): Promise<Verification> {
  const verification: Verification = {
    replica: new Replica(),
    reader: new ReaderRule({ kind: 'genesis' }),
    segments: 0,
    entries: 0,
    voided: 0,
    damages: [],
    last: undefined,
    torn: undefined,
    fault: undefined,
  };
  const expectedCluster = source.clusterId;
  let path = source.name;
  for await (const item of source.items()) {
    if (item.kind === 'segment') {
      verification.segments++;
      path = item.path;
    } else if (item.kind === 'entry') {
      verification.fault = takeEntry(verification, item, { path, expectedCluster });
    } else if (item.kind === 'damage') {
      verification.damages.push(item);
    } else if (item.severity === 'torn') {
      verification.torn = item;
    } else {
      const { byteOffset, position, found, wayOut } = item;
      const where = { file: item.path, byteOffset, position };
      verification.fault = { code: 'journal_corrupt', ...where, found, wayOut };
    }
    if (verification.fault !== undefined) return verification;
  }
  verification.fault = verifyBooks(verification, path);
  return verification;
}

function takeEntry(
  verification: Verification,
  item: StoredItem,
  expected: { readonly path: string; readonly expectedCluster: string | undefined },
): Fault | undefined {
  const { entry, byteOffset } = item;
  const where = { file: expected.path, byteOffset, position: entry.position };
  const { expectedCluster } = expected;
  if (expectedCluster !== undefined && toHex(entry.clusterId) !== expectedCluster) {
    const found = `found an entry of the cluster ${toHex(entry.clusterId)}, not of ${expectedCluster}`;
    return { code: 'journal_diverged', ...where, found, wayOut: BOOKS_WAY_OUT };
  }
  try {
    const verdict = verification.reader.decide(item);
    if (verdict.kind === 'void') {
      verification.voided++;
      return undefined;
    }
    verification.replica.apply(entry);
  } catch (error) {
    return faultOf(error, where);
  }
  verification.entries++;
  verification.last = entry;
  return undefined;
}

function faultOf(
  error: unknown,
  where: { readonly file: string; readonly byteOffset: number; readonly position: number },
): Fault {
  if (isOperationalError(error)) {
    const { code, detail, wayOut } = error;
    return { code: code.toLowerCase(), ...where, found: detail.replace(/\.$/, ''), wayOut };
  }
  const found = `replaying stops: ${error instanceof Error ? error.message : String(error)}`;
  return { code: 'books_broken', ...where, found, wayOut: BOOKS_WAY_OUT };
}

function verifyBooks(verification: Verification, file: string): Fault | undefined {
  const { replica } = verification;
  try {
    assertBooksBalanceFully(replica.state);
    return undefined;
  } catch (error) {
    return faultOf(error, { file, byteOffset: 0, position: replica.position });
  }
}

function verdictOf(verification: Verification): 'clean' | 'torn' | 'repairable' | 'broken' {
  const { fault, torn, damages } = verification;
  if (fault !== undefined) return 'broken';
  if (damages.length > 0) return 'repairable';
  return torn === undefined ? 'clean' : 'torn';
}

function resultJson(verification: Verification, directory: string): unknown {
  const { replica, segments, entries, voided, damages, last, torn, fault } = verification;
  const { accounts, holds } = counts(replica.state);
  return {
    verdict: verdictOf(verification),
    directory,
    segments,
    entries,
    voided,
    position: replica.position,
    epoch: last?.epoch ?? 0,
    digest: last === undefined ? null : toHex(last.digest),
    outcome_digest: toHex(replica.outcomeDigest),
    accounts,
    holds,
    books: ledgerTotals(replica.state).map((totals) => ({
      ledger: totals.ledger,
      debits_posted: String(totals.debitsPosted),
      credits_posted: String(totals.creditsPosted),
      debits_pending: String(totals.debitsPending),
      credits_pending: String(totals.creditsPending),
    })),
    damages: damages.map((damage) => ({
      file: damage.path,
      byte_offset: damage.byteOffset,
      end_byte_offset: damage.endByteOffset,
      position: damage.position,
      repaired_from: damage.source,
    })),
    torn: torn === undefined ? null : placeJson({ ...torn, file: torn.path, code: 'journal_torn' }),
    fault: fault === undefined ? null : placeJson(fault),
  };
}

function placeJson(fault: Fault): unknown {
  const { code, file, byteOffset, position, found, wayOut } = fault;
  return { code, file, byte_offset: byteOffset, position, found, way_out: wayOut };
}

function showResult(output: Output, verification: Verification, directory: string): void {
  const { replica, segments, entries, voided, last, torn } = verification;
  const verdict = verdictOf(verification);
  const { accounts, holds } = counts(replica.state);
  output.pairs([
    ['journal', directory],
    ['verdict', verdict === 'broken' ? output.bad('BROKEN') : output.good(verdict)],
    ['segments', String(segments)],
    ['entries', `${entries}${voided === 0 ? '' : `, ${voided} void`}`],
    ['position', String(replica.position)],
    ...(last === undefined
      ? []
      : ([
          ['epoch', String(last.epoch)],
          ['last entry', instant(last.timeNs)],
          ['digest', toHex(last.digest)],
        ] as const)),
    ['accounts', `${accounts}, ${holds} unresolved holds`],
  ]);
  showBooks(output, verification);
  for (const { path, byteOffset, endByteOffset, position, source } of verification.damages) {
    output.line(
      `Damaged: ${path}, bytes ${byteOffset} to ${endByteOffset}, from position ${position} on. The next start repairs it from ${source}.`,
    );
  }
  if (torn !== undefined) {
    output.line(
      `Torn tail: ${torn.path}, byte ${torn.byteOffset}, position ${torn.position}: ${torn.found}. ${torn.wayOut}`,
    );
  }
}

function showBooks(output: Output, { replica }: Verification): void {
  const definitions = new Map(listLedgers(replica.state).map((item) => [item.ledger, item]));
  const used = ledgerTotals(replica.state).filter(
    (totals) => totals.debitsPosted + totals.debitsPending > 0n,
  );
  if (used.length === 0) return;
  output.table(
    [
      { title: 'ledger', isNumber: true },
      { title: 'currency' },
      { title: 'debits', isNumber: true },
      { title: 'credits', isNumber: true },
      { title: 'held', isNumber: true },
    ],
    used.map((totals) => {
      const { currency = '', exponent = 0 } = definitions.get(totals.ledger) ?? {};
      const figures = [totals.debitsPosted, totals.creditsPosted, totals.debitsPending];
      return [
        String(totals.ledger),
        currency,
        ...figures.map((minor) => formatDecimal(minor, exponent)),
      ];
    }),
  );
}
