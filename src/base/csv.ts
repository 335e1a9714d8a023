// CSV after RFC 4180, as spreadsheets read it. A spreadsheet takes a cell that begins with = + - @
// for a formula; text that does gets a ' before it, as the programs themselves write such text.
// Numbers keep their sign: they are digits and nothing else.

const FORMULA_PATTERN = /^[=+\-@\t\r]/;
const NUMBER_PATTERN = /^-?[0-9]+(?:\.[0-9]+)?$/;
const QUOTED_PATTERN = /[",\r\n]/;

/** One line with its end; null is an empty cell. */
export function csvLine(cells: readonly (string | bigint | number | null)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(value: string | bigint | number | null): string {
  if (value === null) return '';
  const plain = String(value);
  const isFormula = FORMULA_PATTERN.test(plain) && !NUMBER_PATTERN.test(plain);
  const text = isFormula ? `'${plain}` : plain;
  return QUOTED_PATTERN.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
