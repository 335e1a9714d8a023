// The rules about words: one meaning each (docs/GLOSSARY.md), units at the end, and constructs that
// this house does without. Rules about names look at code without comments and strings, rules about
// prose at everything.

import { type Finding, type SourceFile, findingsOf, isCode, isTest, isTidy } from './source.ts';

type WordRule = {
  readonly rule: string;
  readonly mend: string;
  readonly pattern: RegExp;
  /** `code`: no comments, no strings. `statements`: no comments. `text`: everything. */
  readonly within: 'code' | 'statements' | 'text';
  readonly applies: (path: string) => boolean;
};

const isSource = (path: string): boolean => isCode(path) && !isTest(path);
const isProse = (path: string): boolean => path.endsWith('.md');
const isScript = (path: string): boolean => path.endsWith('run') || path.endsWith('.json');
const isOurs = (path: string): boolean => path !== 'package-lock.json' && path !== 'LICENSE';

export const WORD_RULES: readonly WordRule[] = [
  {
    rule: 'TODO without an issue number',
    mend: 'do it now, or open an issue and name it: TODO #12',
    pattern: /\b(?:TODO|FIXME|HACK)\b(?![^\n]*#\d)/g,
    within: 'text',
    applies: (path) => isCode(path) || isScript(path),
  },
  {
    rule: 'a path of one machine',
    mend: 'make it relative, or take it from the configuration or os.tmpdir()',
    pattern: /(?<![\w.})-])\/(?:work|home|root|Users)\/|\/tmp\/bash/g,
    within: 'text',
    applies: isOurs,
  },
  {
    rule: 'the address of a package registry',
    mend: 'leave it to the configuration of npm',
    pattern: /registry\.npmjs|:\/\/[^\s"'`)]*(?:registry|verdaccio|artifactory)/g,
    within: 'text',
    applies: () => true,
  },
  {
    rule: 'default export',
    mend: 'export it by its name',
    pattern: /\bexport\s+default\b/g,
    within: 'code',
    applies: isCode,
  },
  {
    rule: 'enum',
    mend: "Node cannot erase it: write an object with 'as const' and a union type",
    pattern: /(?<![.\w])enum\s+\w+\s*\{/g,
    within: 'code',
    applies: isCode,
  },
  {
    rule: 'as any',
    mend: 'give it its type, or unknown and a check',
    pattern: /\bas\s+any\b/g,
    within: 'code',
    applies: isCode,
  },
  {
    rule: 'as unknown as',
    mend: 'convert by a function that checks what it claims',
    pattern: /\bas\s+unknown\s+as\b/g,
    within: 'code',
    applies: isCode,
  },
  {
    rule: 'a timer or socket that does not hold the process',
    mend: 'whoever opens closes: end it in close(), instead of unref()',
    pattern: /\.unref\s*\(|--test-force-exit/g,
    within: 'text',
    // The engines' servers are meant to outlive whoever started them.
    applies: (path) => (isCode(path) && path !== 'deploy/engines/servers.ts') || isScript(path),
  },
  {
    rule: 'a duration without its unit',
    mend: 'say what it counts: timeoutMs, timeoutSeconds',
    pattern: /(?<![.\w#$])(?:timeout|[a-z][a-zA-Z]*Timeout)\b(?!\s*\()/g,
    within: 'code',
    applies: isSource,
  },
  {
    rule: 'the number of a line in prose',
    mend: 'name the function or the section: line numbers go stale',
    pattern: /\.ts:\d+/g,
    within: 'text',
    applies: isProse,
  },
];

/** Options of other people's libraries that have no unit in their name: as keys only. */
const FOREIGN_OPTIONS = new Set([
  'bodyTimeout',
  'connectTimeout',
  'connectionTimeout',
  'handlerTimeout',
  'handshakeTimeout',
  'headersTimeout',
  'keepAliveTimeout',
  'pluginTimeout',
  'requestTimeout',
]);

/** Calls whose options are other people's, up to the option: `new DatabaseSync(path, { timeout`. */
const FOREIGN_CALL = /\b(?:new DatabaseSync|await connect)\([^)]*\{\s*$/;

/** setTimeout and clearTimeout are the platform's. */
const PLATFORM_NAMES = new Set(['setTimeout', 'clearTimeout']);

export function bannedConstructs(files: readonly SourceFile[]): Finding[] {
  return files
    .filter((file) => !isTidy(file.path))
    .flatMap((file) =>
      WORD_RULES.filter((rule) => rule.applies(file.path)).flatMap((rule) => {
        const text = file[rule.within];
        return findingsOf(file, text, rule.pattern, (match) => {
          const word = match[0];
          if (PLATFORM_NAMES.has(word)) return undefined;
          const rest = text.slice((match.index ?? 0) + word.length);
          if (FOREIGN_OPTIONS.has(word) && /^\s*:/.test(rest)) return undefined;
          if (FOREIGN_CALL.test(text.slice(Math.max(0, (match.index ?? 0) - 80), match.index))) {
            return undefined;
          }
          return { rule: `${rule.rule}: ${word.trim()}`, mend: rule.mend };
        });
      }),
    );
}

/**
 * The words of other people, which may stand beside ours when they are called theirs: SQLite's and
 * the databases' transactions, ISO 20022's, a file of the bank's. Also the glossary, which forbids.
 */
const QUALIFIED = [
  /\b(?:SQL(?:ite)?|node:sqlite|exclusive|database|kernel|PostgreSQL|MySQL|Kafka|lock) transactions?\b/gi,
  /\b(?:BEGIN|ISO 20022|pacs\.008|pain\.001)[^.\n]{0,40}\btransactions?\b/gi,
  /\btransactions?\.csv\b/gi,
  // PostgreSQL's settings.
  /\b(?:default_|idle_in_)?transaction_(?:isolation|read_only|deferrable|session_timeout)\b/g,
  /\b(?:heap|v8)[- ]?snapshots?\b/gi,
  /["'`](?:transactions?|snapshots?)["'`]/gi,
  /\bdefault_transaction_[a-z_]+/g,
  /\.(?:takeHeap|writeHeap|getHeap)Snapshot\b/g,
];

const BARE_WORDS =
  /(?<![a-z])(?:transaction|snapshot)(?:s|Id|ed|al)?(?![a-z])|(?:Transaction|Snapshot)/gi;

export function bareWords(files: readonly SourceFile[]): Finding[] {
  const looked = files.filter(
    ({ path }) => !isTidy(path) && path !== 'docs/GLOSSARY.md' && (isCode(path) || isProse(path)),
  );
  return looked.flatMap((file) => {
    let text = file.text;
    for (const pattern of QUALIFIED)
      text = text.replace(pattern, (found) => '_'.repeat(found.length));
    return findingsOf(file, text, BARE_WORDS, (match) => ({
      rule: `the bare word "${match[0]}"`,
      mend: /snap/i.test(match[0])
        ? 'say checkpoint (on disk) or image (of the state)'
        : 'say transfer, payment, command or entry; or whose transaction it is (SQLite transaction)',
    }));
  });
}

const CODE_BEGINS =
  /^(?:(?:import|export|const|let|var|function|class|type)\s+[\w{*]|(?:return|await|throw)\b|(?:if|for|while|switch|catch)\s*\(|\}|\)|this\.|[\w.$]+\(|[\w.$[\]]+\s*[-+]?=\s)/;
const CODE_ENDS = /(?:[)\]'"`\w]\s*;|\{|^\}|=> \(|\}\)|\}\);|\);?)$/;
const CODE_MARKS = /[=({;]/;

/** Comments that are statements: what git remembers need not stand in the file. */
export function commentedOutCode(files: readonly SourceFile[]): Finding[] {
  const findings: Finding[] = [];
  for (const file of files) {
    if (isTidy(file.path)) continue;
    for (const { start, end } of file.comments) {
      const comment = file.text.slice(start, end);
      if (!comment.startsWith('//')) continue;
      const words = comment.slice(2).trim();
      const isStatement = CODE_BEGINS.test(words) && CODE_MARKS.test(words) && /[;{}]$/.test(words);
      if (!isStatement || !CODE_ENDS.test(words)) continue;
      const told = { rule: 'commented-out code', mend: 'delete it; git remembers' };
      findings.push(...findingsOf(file, file.text.slice(0, start + 1), /\/$/g, () => told));
    }
  }
  return findings;
}

const TEST_PATTERNS: readonly { readonly pattern: RegExp; readonly rule: string; mend: string }[] =
  [
    {
      pattern: /\.only\s*\(|\bonly\s*:\s*true/g,
      rule: 'a test that keeps others from running',
      mend: 'take .only away',
    },
    {
      pattern: /\.(?:skip|todo)\s*\(|\b(?:skip|todo)\s*:/g,
      rule: 'a test that does not run',
      mend: 'mend it or delete it: a skipped test is a green lie',
    },
  ];

const SLEEPS =
  /\bawait\s+(?:sleep|delay|wait|setTimeout)\s*\(\s*\d|setTimeout\(\s*(?:resolve|done|r)\b/g;
const POLLING = /\b(?:while|for|do)\b\s*(?:await\s*)?[({]/;
const POLL_LINES = 8;

/** Programs that load and disturb a node from outside keep real time. */
const KEEPS_REAL_TIME = /^test\/(?:chaos|bench)\//;

/** Tests wait for conditions. A pause inside a loop is how a condition is waited for. */
export function testHabits(files: readonly SourceFile[]): Finding[] {
  return files
    .filter(({ path }) => isCode(path) && isTest(path) && !isTidy(path))
    .flatMap((file) => [
      ...TEST_PATTERNS.flatMap(({ pattern, rule, mend }) =>
        findingsOf(file, file.code, pattern, () => ({ rule, mend })),
      ),
      ...findingsOf(file, file.code, SLEEPS, (match) => {
        const before = file.code.slice(0, match.index).split('\n').slice(-POLL_LINES).join('\n');
        if (POLLING.test(before) || KEEPS_REAL_TIME.test(file.path)) return undefined;
        return {
          rule: 'a test that sleeps',
          mend: 'wait for the condition itself, in a loop with a deadline, or use a virtual clock',
        };
      }),
    ]);
}
