// What Wattmeter itself was given at its start and CMD must be given too. Node resets every signal's disposition, lifts
// the soft limit of open files and marks inherited descriptors close-on-exec before any script runs, and /bin/sh drops
// environment variables whose names it does not understand (exported bash functions); so bin/wattmeter.js writes these
// facts down first, in one variable that is taken away again here.

import { constants } from 'node:os';

/** The variable in which bin/wattmeter.js hands the facts over. */
export const LAUNCH_VARIABLE = 'WATTMETER_LAUNCH';

/** The state that CMD would have inherited without Wattmeter; absent parts are unknown and left as they are. */
export interface LaunchFacts {
  readonly ignoredSignals: readonly NodeJS.Signals[];
  /** Soft RLIMIT_NOFILE as `ulimit -Sn` prints it: a number or `unlimited`. */
  readonly openFilesLimit?: string;
  /** Open descriptors above stderr, ascending. */
  readonly descriptors: readonly number[];
  /** CMD's environment, in its first order. */
  readonly environment: Readonly<Record<string, string>>;
}

// Above this no descriptor table of ours goes; the kernel's own default ceiling is 1,048,576.
const MAX_DESCRIPTOR = 65_535;
const FIRST_DESCRIPTOR_AFTER_STDERR = 3;

/** Reads the launcher's facts and removes them from `environment`, so that nobody else inherits them. */
export function takeLaunchFacts(environment: NodeJS.ProcessEnv): LaunchFacts {
  const text = environment[LAUNCH_VARIABLE];
  delete environment[LAUNCH_VARIABLE];
  const [ignored = '', limit = '', open = '', encoded = ''] = text?.split(';') ?? [];
  return {
    ignoredSignals: signalsOfMask(ignored),
    ...(/^(?:\d+|unlimited)$/.test(limit) ? { openFilesLimit: limit } : {}),
    descriptors: descriptorsOf(open),
    environment: environmentOf(encoded) ?? definedOnly(environment),
  };
}

/** Names of the signals in a mask of /proc/PID/status: bit n − 1 stands for signal n. Real-time signals have no name. */
export function signalsOfMask(mask: string): NodeJS.Signals[] {
  if (!/^[0-9a-f]{1,16}$/i.test(mask)) return [];
  const bits = BigInt(`0x${mask}`);
  const names = new Map<number, NodeJS.Signals>();
  for (const [name, number] of Object.entries(constants.signals)) {
    // Aliases (SIGIOT, SIGPOLL) come after the common name or before it; the first one stands.
    if (!names.has(number)) names.set(number, name as NodeJS.Signals);
  }
  return [...names].filter(([number]) => (bits >> BigInt(number - 1)) & 1n).map(([, name]) => name);
}

function descriptorsOf(text: string): number[] {
  return text
    .split(' ')
    .filter((word) => /^\d+$/.test(word))
    .map(Number)
    .filter((fd) => fd >= FIRST_DESCRIPTOR_AFTER_STDERR && fd <= MAX_DESCRIPTOR)
    .toSorted((a, b) => a - b);
}

function environmentOf(base64: string): Record<string, string> | undefined {
  if (base64 === '') return undefined;
  const environment: Record<string, string> = {};
  for (const entry of Buffer.from(base64, 'base64').toString('utf8').split('\0')) {
    const equals = entry.indexOf('=');
    if (equals > 0) environment[entry.slice(0, equals)] = entry.slice(equals + 1);
  }
  return environment;
}

function definedOnly(environment: NodeJS.ProcessEnv): Record<string, string> {
  const defined = Object.entries(environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return Object.fromEntries(defined);
}
