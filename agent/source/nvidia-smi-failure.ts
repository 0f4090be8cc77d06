// Why nvidia-smi ended, in words that name the mend, and whether waiting can help.

import type { ReadingStatus } from '../model.ts';
import type { Ending } from './child.ts';
import type { Fate } from './source.ts';

/** A failure of nvidia-smi. */
export interface Failure {
  readonly fate: Fate;
  /** Kebab-case, for metrics. */
  readonly reason: string;
  /** What a device's reading is while it lasts. */
  readonly status: Exclude<ReadingStatus, 'ok'>;
  readonly message: string;
}

interface Known extends Omit<Failure, 'message'> {
  readonly why: string;
}

// The exit codes of nvidia-smi's manual page, section RETURN VALUE.
const EXIT_CODES: Readonly<Record<number, Known>> = {
  2: {
    fate: 'retry',
    reason: 'invalid-query',
    status: 'not-supported',
    why: 'it refused a field of the query. Did the driver change while it ran?',
  },
  3: {
    fate: 'retry',
    reason: 'not-supported',
    status: 'not-supported',
    why: 'no GPU here supports the query. Is the board old or virtual?',
  },
  4: {
    fate: 'retry',
    reason: 'no-permission',
    status: 'no-permission',
    why: 'this user may not talk to the driver. May it open /dev/nvidiactl?',
  },
  6: {
    fate: 'retry',
    reason: 'no-gpu',
    status: 'gpu-lost',
    why: 'it found no GPU. Is one passed to this machine or container?',
  },
  8: {
    fate: 'retry',
    reason: 'no-external-power',
    status: 'unknown-error',
    why: 'a GPU lacks its power cable. Is it plugged in?',
  },
  9: {
    fate: 'retry',
    reason: 'driver-not-loaded',
    status: 'driver-not-loaded',
    why: 'the driver does not answer. Is it loaded (modprobe nvidia)?',
  },
  10: {
    fate: 'retry',
    reason: 'interrupt-issue',
    status: 'unknown-error',
    why: 'the kernel found an interrupt issue with a GPU. What does dmesg say?',
  },
  12: {
    fate: 'fatal',
    reason: 'library-missing',
    status: 'driver-not-loaded',
    why: 'it cannot find libnvidia-ml.so. Is the driver installed whole, or mounted into the container?',
  },
  13: {
    fate: 'retry',
    reason: 'function-missing',
    status: 'not-supported',
    why: 'the driver lacks a function. Are nvidia-smi and the driver of one version?',
  },
  14: {
    fate: 'retry',
    reason: 'inforom-corrupt',
    status: 'unknown-error',
    why: "a GPU's infoROM is corrupt. Can the vendor replace the board?",
  },
  15: {
    fate: 'retry',
    reason: 'gpu-lost',
    status: 'gpu-lost',
    why: 'a GPU has fallen off the bus. Reset it, or reboot.',
  },
  18: {
    fate: 'retry',
    reason: 'version-mismatch',
    status: 'driver-not-loaded',
    why: 'library and driver differ in version. Reboot after the update.',
  },
};

/** Explains how a child ended; `said` is the end of its output. */
export function failureOf(command: string, ending: Ending, said: string): Failure {
  const detail = said.trim() === '' ? '' : ` (${lastSentence(said)})`;
  switch (ending.kind) {
    case 'not-started':
      return notStarted(command, ending.error);
    case 'killed':
      return {
        fate: 'retry',
        reason: 'killed',
        status: 'no-data',
        message: `${command} was ended by ${ending.signal}. Who else manages it?`,
      };
    case 'exited': {
      const known = EXIT_CODES[ending.code];
      if (known !== undefined) {
        const { why, ...rest } = known;
        return { ...rest, message: `${command} exited with code ${ending.code}${detail}: ${why}` };
      }
      const message = `${command} exited with code ${ending.code}${detail}. Does it run by hand?`;
      return { fate: 'retry', reason: 'exited', status: 'unknown-error', message };
    }
  }
}

/** A child that said nothing within its deadline. */
export function silence(command: string, seconds: number): Failure {
  return {
    fate: 'retry',
    reason: 'timeout',
    status: 'timeout',
    message: `${command} has said nothing for ${Math.round(seconds * 10) / 10} s and is being replaced. Does the driver hang (dmesg)?`,
  };
}

function notStarted(command: string, error: NodeJS.ErrnoException): Failure {
  const isMissing = error.code === 'ENOENT';
  const why = isMissing
    ? 'it is not on PATH. Is the NVIDIA driver installed?'
    : `${error.message}. Is it executable?`;
  return {
    fate: isMissing || error.code === 'EACCES' ? 'fatal' : 'retry',
    reason: isMissing ? 'not-installed' : 'not-started',
    status: 'driver-not-loaded',
    message: `Cannot start ${command}: ${why}`,
  };
}

const SENTENCE_CHARACTERS = 120;

const lastSentence = (text: string): string =>
  (text.trim().split('\n').at(-1) ?? '').trim().slice(0, SENTENCE_CHARACTERS).replace(/\.$/, '');
