// How a command fails: a sentence for people, a code for scripts, and the exit code. Everything
// that can be thrown becomes one here, so that nobody has to read a stack trace to learn about his
// money.

import { isOperationalError } from '../base/errors.ts';
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
    const { code, detail, wayOut } = error;
    const exitCode = code === 'JOURNAL_LOCKED' ? ExitCode.unavailable : ExitCode.failed;
    return new CliFailure(
      { exitCode, code: code.toLowerCase(), message: detail, action: wayOut },
      error,
    );
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
    ...failure.errors.map((fault) => `  ${fault.pointer}: ${fault.detail} (${fault.code})`),
    ...[failure.money, failure.action].filter((line) => line !== '').map((line) => `  ${line}`),
  ];
  io.stderr.write(`${lines.join('\n')}\n`);
}
