// What Linux says of a process in one line (/proc/<pid>/stat): read by whoever must know whether a
// process is still the same one, still alive, or how much of the machine it takes. The text is read
// elsewhere: this is its one parser.

export type ProcessStat = {
  /** One letter: R runs, S and D wait, T and t are stopped, Z and X have ended. */
  readonly state: string;
  /** The process that started it, or whoever has taken it over. */
  readonly parentPid: number;
  /** Clock ticks since the machine started: with the number it says which process it is. */
  readonly startTime: number;
  /** Clock ticks (hundredths of a second) of all threads, or of the one thread asked for. */
  readonly userTicks: number;
  readonly systemTicks: number;
  /** Killed, but nobody has waited for it yet: it holds nothing and does nothing. */
  readonly hasEnded: boolean;
};

/** Places of the fields behind the name; proc(5) counts from 1 and with the name: two more. */
const Field = { state: 0, parentPid: 1, userTicks: 11, systemTicks: 12, startTime: 19 } as const;

/** What is missing in the text is NaN, and the state X. */
export function parseProcessStat(text: string): ProcessStat {
  // The command's name stands in parentheses and may hold anything, also blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[Field.state] || 'X';
  return {
    state,
    parentPid: Number(fields[Field.parentPid]),
    startTime: Number(fields[Field.startTime]),
    userTicks: Number(fields[Field.userTicks]),
    systemTicks: Number(fields[Field.systemTicks]),
    hasEnded: state === 'Z' || state === 'X',
  };
}
