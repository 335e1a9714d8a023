// What people see while it runs: a line for each event and one each second.

type Writer = { write(text: string): unknown };

export class Screen {
  readonly #writer: Writer;
  readonly #startMs = performance.now();

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  line(text: string): void {
    const seconds = ((performance.now() - this.#startMs) / 1000).toFixed(1);
    this.#writer.write(`${seconds.padStart(6)} s  ${text}\n`);
  }
}
