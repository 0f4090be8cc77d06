// Which signals that reach Wattmeter go on to CMD. CMD shares Wattmeter's process group, so what the terminal sends
// (Ctrl-C, Ctrl-\, its hang-up) has reached CMD already and must not come twice; everything else was meant for the job.
// SIGTSTP and SIGCONT have no handler: Ctrl-Z stops both and `fg` continues both. SIGWINCH is the terminal's own.

import { readFileSync } from 'node:fs';

/** Signals that Wattmeter survives and CMD is told of. */
const RELAYED_SIGNALS = [
  'SIGINT',
  'SIGQUIT',
  'SIGHUP',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGVTALRM',
  'SIGXCPU',
  'SIGIO',
  'SIGPWR',
  'SIGSTKFLT',
] as const;
export type RelayedSignal = (typeof RELAYED_SIGNALS)[number];

/** How Wattmeter stands to its terminal. */
export interface TerminalState {
  readonly hasTerminal: boolean;
  readonly inForeground: boolean;
}

/** Whether CMD still has to be told of a signal, given the terminal at the start and now. */
export function mustRelay(
  signal: RelayedSignal,
  atStart: TerminalState,
  now: TerminalState,
): boolean {
  if (signal === 'SIGINT' || signal === 'SIGQUIT') return !now.inForeground;
  // A terminal that went away hung up on the whole group: its shell and the kernel saw to that.
  if (signal === 'SIGHUP') return !(atStart.hasTerminal && !now.hasTerminal);
  return true;
}

/** Reads /proc/PID/stat: field 5 is the process group, 7 the terminal, 8 the terminal's foreground group. */
export function parseTerminalState(stat: string): TerminalState {
  // The second field is the command's name in parentheses and may hold anything, `)` included.
  const [, , group, , terminal, foregroundGroup] = stat
    .slice(stat.lastIndexOf(')') + 1)
    .trim()
    .split(' ');
  const hasTerminal = terminal !== undefined && terminal !== '0';
  return { hasTerminal, inForeground: hasTerminal && group === foregroundGroup };
}

/** Wattmeter's own terminal now; none where /proc is missing. */
function readTerminalState(): TerminalState {
  try {
    return parseTerminalState(readFileSync('/proc/self/stat', 'utf8'));
  } catch {
    return { hasTerminal: false, inForeground: false };
  }
}

/** What `process` offers of signals. */
export interface SignalOrigin {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

/**
 * Survives RELAYED_SIGNALS from now on and hands them to `send`; disposing gives them back to their default. Install it
 * before CMD starts: a signal that comes earlier is held until `ready` is called with the way to reach CMD.
 */
export class SignalRelay implements Disposable {
  readonly #origin: SignalOrigin;
  readonly #atStart: TerminalState;
  #send: ((signal: NodeJS.Signals) => unknown) | undefined;
  #held: NodeJS.Signals[] = [];
  readonly #listener = (signal: NodeJS.Signals): void => {
    const relayed = RELAYED_SIGNALS.find((one) => one === signal);
    if (relayed === undefined) return;
    if (this.#send === undefined) this.#held.push(relayed);
    else if (mustRelay(relayed, this.#atStart, readTerminalState())) this.#send(relayed);
  };

  constructor(origin: SignalOrigin) {
    this.#origin = origin;
    this.#atStart = readTerminalState();
    for (const signal of RELAYED_SIGNALS) origin.on(signal, this.#listener);
  }

  /** Tells how to reach CMD, which did not exist when the held signals came. */
  ready(send: (signal: NodeJS.Signals) => unknown): void {
    this.#send = send;
    for (const signal of this.#held.splice(0)) send(signal);
  }

  [Symbol.dispose](): void {
    for (const signal of RELAYED_SIGNALS) this.#origin.off(signal, this.#listener);
  }
}
