// What the agent tells its service manager (sd_notify(3)): ready, alive, stopping, and a line for `systemctl status`.
// Beside the pipeline; only the agent's command uses it. Node has no datagram Unix sockets, so libc sends, through koffi.

import { pid } from 'node:process';

/** The service manager's ear. Nothing here throws or blocks: a deaf manager is the manager's problem, not the meter's. */
export interface Notifier {
  /** How often to call `watchdog`: half of what the manager allows; absent when nobody waits for it. */
  readonly watchdogPeriodSeconds?: number;
  /** The ledger is open and every address listens; a driver that hangs must not keep the service from starting. */
  ready(): void;
  watchdog(): void;
  stopping(): void;
  /** One line for people. */
  status(text: string): void;
}

type Environment = Readonly<Record<string, string | undefined>>;
type Send = (message: string) => void;

// <sys/socket.h> and <sys/un.h> of Linux; the manager is systemd, so there is no other.
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const FAMILY_BYTES = 2;
const MAX_PATH_BYTES = 108;

const SILENT: Notifier = { ready() {}, watchdog() {}, stopping() {}, status() {} };

/** Opens the manager's socket; without NOTIFY_SOCKET nobody listens and every call does nothing. `warn` hears of the first failure. */
export async function openNotifier(
  environment: Environment,
  warn: (message: string) => void,
): Promise<Notifier> {
  const path = environment['NOTIFY_SOCKET'];
  if (path === undefined || path === '') return SILENT;
  const send = await openSender(path, warn);
  const period = watchdogPeriod(environment);
  return {
    ...(period === undefined ? {} : { watchdogPeriodSeconds: period }),
    ready: () => send('READY=1'),
    watchdog: () => send('WATCHDOG=1'),
    stopping: () => send('STOPPING=1'),
    status: (text) => send(`STATUS=${text.replaceAll(/\s+/g, ' ')}`),
  };
}

/** Half of WATCHDOG_USEC, when it is meant for this process (sd_watchdog_enabled(3)). */
function watchdogPeriod(environment: Environment): number | undefined {
  const microseconds = Number(environment['WATCHDOG_USEC']);
  const owner = environment['WATCHDOG_PID'];
  if (!(microseconds > 0) || (owner !== undefined && owner !== String(pid))) return undefined;
  return microseconds / 2e6;
}

/** sockaddr_un of a path, or of an abstract name (`@…`), which begins with a zero byte and ends with the address. */
function socketAddress(path: string): Buffer | undefined {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : path);
  if (name.length > MAX_PATH_BYTES || !/^[/@]/.test(path)) return undefined;
  const address = Buffer.alloc(FAMILY_BYTES + name.length);
  address.writeUInt16LE(AF_UNIX);
  name.copy(address, FAMILY_BYTES);
  return address;
}

async function openSender(path: string, warn: (message: string) => void): Promise<Send> {
  let hasWarned = false;
  const fail = (cause: string): void => {
    if (!hasWarned) {
      warn(
        `Cannot notify the service manager at ${path}: ${cause}. Is NOTIFY_SOCKET the socket of systemd? It may take Wattmeter for hung.`,
      );
    }
    hasWarned = true;
  };
  const address = socketAddress(path);
  if (address === undefined) {
    fail('it is no Unix socket');
    return () => {};
  }
  try {
    const { default: koffi } = await import('koffi');
    const libc = koffi.load(null);
    const socket = libc.func('int socket(int, int, int)');
    const sendto = libc.func('intptr_t sendto(int, void *, size_t, int, void *, uint32_t)');
    const descriptor: number = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) throw new Error(`socket(2) failed with errno ${koffi.errno()}`);
    // Kept until the process ends: its end is the last thing that the manager hears of.
    return (message) => {
      const bytes = Buffer.from(message);
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      const sent: number = sendto(descriptor, bytes, bytes.length, flags, address, address.length);
      if (sent < 0) fail(`sendto(2) failed with errno ${koffi.errno()}`);
    };
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
    return () => {};
  }
}
