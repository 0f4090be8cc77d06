// Sockets that the service manager has opened for the agent (sd_listen_fds(3)): they go on listening while it restarts.

type Environment = Readonly<Record<string, string | undefined>>;

/** SD_LISTEN_FDS_START of <systemd/sd-daemon.h>. */
const FIRST_DESCRIPTOR = 3;

/** The descriptors of the sockets that were passed to this very process, in the order of the unit; mostly none. */
export function passedDescriptors(environment: Environment, processId: number): readonly number[] {
  const count = Number(environment['LISTEN_FDS']);
  const isForUs = environment['LISTEN_PID'] === String(processId);
  if (!isForUs || !Number.isInteger(count) || count < 1) return [];
  return Array.from({ length: count }, (_, position) => FIRST_DESCRIPTOR + position);
}
