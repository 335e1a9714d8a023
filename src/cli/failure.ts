// How a command fails: a sentence for people, a code for scripts, and the exit code. Everything
// that can be thrown becomes one here, so that nobody has to read a stack trace to learn about his
// money.

import {
  OPERATIONAL_ERRORS,
  type OperationalCode,
  type OperationalError,
  isOperationalError,
} from '../base/errors.ts';
import type { ApiProblem, InputFault } from '../client/problems.ts';
import { ExitCode } from './exit-codes.ts';
import { type GlobalOptions, type Io, hasColor, styled } from './io.ts';

export type FailureFields = {
  readonly exitCode: number;
  readonly code: string;
  readonly message: string;
  readonly money?: string;
  readonly action?: string;
  readonly errors?: readonly InputFault[];
};

export class CliFailure extends Error {
  override readonly name = 'CliFailure';
  readonly exitCode: number;
  readonly code: string;
  readonly money: string;
  readonly action: string;
  readonly errors: readonly InputFault[];

  constructor(fields: FailureFields, cause?: unknown) {
    super(fields.message, { cause });
    this.exitCode = fields.exitCode;
    this.code = fields.code;
    this.money = fields.money ?? '';
    this.action = fields.action ?? '';
    this.errors = fields.errors ?? [];
  }
}

/** Wrong usage that the parser of options cannot see. */
export function usageFailure(message: string, action = ''): CliFailure {
  return new CliFailure({
    exitCode: ExitCode.usage,
    code: 'usage',
    message,
    money: 'Nothing was sent.',
    action,
  });
}

/** Refused here, before anything was sent. */
export function refusedLocally(code: string, message: string, action = ''): CliFailure {
  return new CliFailure({
    exitCode: ExitCode.refused,
    code,
    message,
    money: 'Nothing was sent.',
    action,
  });
}

const NOT_FOUND_CODES = new Set([
  'account_not_found',
  'transfer_not_found',
  'ledger_not_found',
  'route_not_found',
]);

/**
 * The client's errors are known by name, so that commands that need no client do not load it (and
 * its HTTP library) for the sake of `instanceof`.
 */
export function toFailure(error: unknown): CliFailure {
  if (error instanceof CliFailure) return error;
  if (!(error instanceof Error)) {
    return new CliFailure({ exitCode: ExitCode.failed, code: 'failed', message: String(error) });
  }
  if (isOperationalError(error)) {
    return fromOperational(error);
  }
  switch (error.name) {
    case 'ApiProblem':
      return fromProblem(error as ApiProblem);
    case 'OutcomeUnknown':
    case 'NodeUnavailable':
      return fromEnding(error as Error & EndingFields);
    case 'ManifestUnusable':
      return refusedLocally('manifest_unusable', error.message);
    default:
      return new CliFailure(
        { exitCode: ExitCode.failed, code: 'failed', message: error.message },
        error,
      );
  }
}

/** Where it may have happened, the id is what people need to find out. */
export function withId(error: unknown, id: string, what: 'account' | 'transfer'): CliFailure {
  const failure = toFailure(error);
  if (failure.exitCode !== ExitCode.outcomeUnknown) return failure;
  const action = `Run the same command with --id ${id}, or look with \`holdfast ${what} get ${id}\`.`;
  const { exitCode, code, message, money } = failure;
  return new CliFailure({ exitCode, code, message, money, action }, error);
}

/** What each outcome of the table of operational errors means for the money. */
const MONEY_BY_OUTCOME = {
  none: 'No payment was asked for, so none was made or lost by this command.',
  'not-executed': 'Nothing happened: no money moved.',
  unknown: 'A payment under way may have happened or not; ask again with the same ids.',
} as const;

function fromOperational(error: OperationalError): CliFailure {
  const { code, detail, wayOut } = error;
  return new CliFailure(
    {
      exitCode: operationalExitCode(code),
      code: code.toLowerCase(),
      message: detail,
      money: MONEY_BY_OUTCOME[OPERATIONAL_ERRORS[code].outcome],
      action: wayOut,
    },
    error,
  );
}

function operationalExitCode(code: OperationalCode): number {
  if (code === 'JOURNAL_LOCKED') return ExitCode.unavailable;
  return code === 'CONFIGURATION_INVALID' ? ExitCode.usage : ExitCode.failed;
}

type EndingFields = { readonly code: string; readonly money: string; readonly action: string };

function fromEnding(error: Error & EndingFields): CliFailure {
  const { code, message, money, action } = error;
  const isUnknown = error.name === 'OutcomeUnknown';
  const exitCode = isUnknown ? ExitCode.outcomeUnknown : ExitCode.unavailable;
  return new CliFailure({ exitCode, code, message, money, action }, error);
}

function fromProblem(problem: ApiProblem): CliFailure {
  const { code, detail, money, action, errors } = problem;
  return new CliFailure(
    { exitCode: problemExitCode(problem), code, message: detail, money, action, errors },
    problem,
  );
}

function problemExitCode({ status, code }: ApiProblem): number {
  if (NOT_FOUND_CODES.has(code)) return ExitCode.notFound;
  if (status === 401 || status === 403) return ExitCode.failed;
  if (status === 429 || status === 503) return ExitCode.unavailable;
  return status >= 400 && status < 500 ? ExitCode.refused : ExitCode.failed;
}

/** Messages go to stderr, also as JSON; stdout carries results only. */
export function writeFailure(failure: CliFailure, io: Io, options: GlobalOptions): void {
  if (options.json === true) {
    const { code, message, money, action, errors, exitCode } = failure;
    const error = { code, detail: message, money, action, errors, exit_code: exitCode };
    io.stderr.write(`${JSON.stringify({ error })}\n`);
    return;
  }
  const isColored = hasColor(io.stderr, io, options);
  const lines = [
    `${styled('error:', 'red', isColored)} ${failure.message} ${styled(`(${failure.code})`, 'dim', isColored)}`,
    ...faultLines(failure).map((line) => `  ${line}`),
    ...[failure.money, failure.action].filter((line) => line !== '').map((line) => `  ${line}`),
  ];
  io.stderr.write(`${lines.join('\n')}\n`);
}

/** The places of faulty input; the only one is often the message itself. */
function faultLines({ message, errors }: CliFailure): string[] {
  return errors
    .map(({ pointer, parameter = pointer, code, detail }) => {
      const text = parameter === '' ? detail : `${parameter}: ${detail}`;
      return errors.length === 1 && text === message ? '' : `${text} (${code})`;
    })
    .filter((line) => line !== '');
}
