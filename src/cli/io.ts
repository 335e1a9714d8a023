// The world of one command: where it writes and what it reads from the environment. Given from
// outside so that tests see exactly what people and scripts see.

import { styleText } from 'node:util';

export type Writer = {
  write(text: string): unknown;
  readonly isTTY?: boolean;
};

export type Io = {
  readonly stdout: Writer;
  readonly stderr: Writer;
  readonly environment: { readonly [name: string]: string | undefined };
  /** Asks a person and waits for a line; undefined = nobody is there (a script, a pipe). */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
};

/** A reader that has had enough (`| head`) is no failure; the node of `up` must not die of it. */
function ignoreClosedPipe(stream: NodeJS.WriteStream): void {
  if (stream.listenerCount('error') > 0) return;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

export function processIo(): Io {
  ignoreClosedPipe(process.stdout);
  ignoreClosedPipe(process.stderr);
  const { stdout, stderr, stdin, env: environment } = process;
  const isSomebodyThere = stdin.isTTY && stderr.isTTY;
  return { stdout, stderr, environment, ask: isSomebodyThere ? askOnTerminal : undefined };
}

/** Ctrl-D is no answer: an empty line. */
async function askOnTerminal(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
    return await Promise.race([lines.question(question), closed]);
  } finally {
    lines.close();
  }
}

/** Options that every command knows. */
export type GlobalOptions = {
  /** As given, each a URL or several with commas. */
  readonly url?: readonly string[];
  readonly keyFile?: string;
  readonly ca?: string;
  readonly data?: string;
  readonly json?: boolean;
  readonly color?: boolean;
  readonly deadline?: string;
};

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

/** Colour only for people: a terminal, no NO_COLOR, no dumb terminal, no --no-color. */
export function hasColor(writer: Writer, io: Io, options: GlobalOptions): boolean {
  const { NO_COLOR: noColor, TERM: terminal } = io.environment;
  const isRefused = options.color === false || (noColor ?? '') !== '' || terminal === 'dumb';
  return writer.isTTY === true && !isRefused;
}

export function styled(text: string, style: Style, isColored: boolean): string {
  return isColored ? styleText(style, text, { validateStream: false }) : text;
}
