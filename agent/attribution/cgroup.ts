// Whose a process is, by its control group: /proc/PID/cgroup of v1, v2 and hybrid hierarchies, as Slurm, kubelets,
// container engines and systemd lay them out. Pure.

/** What a control group tells. */
export type CgroupOwner =
  | { readonly kind: 'slurm'; readonly jobId: string; readonly userId?: number }
  /** `jobId` is the pod's uid, with dashes whatever the driver wrote. */
  | { readonly kind: 'pod'; readonly jobId: string; readonly containerId?: string }
  /** `jobId` is what the engine's own list shows: the first twelve digits, or a name. */
  | { readonly kind: 'container'; readonly jobId: string }
  | { readonly kind: 'unit'; readonly jobId: string }
  /** `jobId` is the user's number. */
  | { readonly kind: 'user'; readonly jobId: string }
  /** Nobody in particular. */
  | { readonly kind: 'process' };

// The more a kind says, the earlier it stands: each v1 controller has its own opinion, and the best one counts.
const KINDS = ['slurm', 'pod', 'container', 'unit', 'user', 'process'] as const;

/** Reads the text of /proc/PID/cgroup. */
export function cgroupOwner(text: string): CgroupOwner {
  const owners = pathsOf(text).map(ownerOfPath);
  for (const kind of KINDS) {
    const found = owners.find((owner) => owner.kind === kind);
    if (found !== undefined) return found;
  }
  return { kind: 'process' };
}

// `hierarchy:controllers:path`; a path may hold colons. A removed group that still has a process says so behind it.
const pathsOf = (text: string): string[] =>
  text
    .split('\n')
    .flatMap((line) => /^\d+:[^:]*:(\/.*)$/.exec(line)?.[1] ?? [])
    .map((path) => path.replace(/ \(deleted\)$/, ''));

function ownerOfPath(path: string): CgroupOwner {
  const segments = path.split('/').filter((segment) => segment !== '');
  return (
    slurmJob(segments) ??
    pod(segments) ??
    container(segments) ??
    user(segments) ??
    unit(segments) ?? { kind: 'process' }
  );
}

/**
 * v2: `…/slurmstepd.scope/job_7/step_0/…`, also `NODE_slurmstepd.scope`; v1: `/slurm/uid_1000/job_7/…`, also `slurm_NODE`.
 * https://slurm.schedmd.com/cgroup_v2.html
 */
function slurmJob(segments: readonly string[]): CgroupOwner | undefined {
  const at = segments.findIndex((segment) => /^job_\d+$/.test(segment));
  const jobId = segments[at]?.slice('job_'.length);
  if (jobId === undefined) return undefined;
  const above = segments.slice(0, at);
  if (!above.some((segment) => /slurmstepd\.scope$|^slurm(?:_.+)?$/.test(segment)))
    return undefined;
  const userId = above.flatMap((segment) => /^uid_(\d+)$/.exec(segment)?.[1] ?? [])[0];
  return { kind: 'slurm', jobId, ...(userId !== undefined && { userId: Number(userId) }) };
}

// Static pods have a hash of 32 digits for a uid.
const POD_UID =
  /(?:^|[-/:])pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=$|[.:/])/i;

/** `kubepods…` of both cgroup drivers, nested clusters (`kubelet-kubepods…`) and containerd's `slice:cri:id` form. */
function pod(segments: readonly string[]): CgroupOwner | undefined {
  if (!segments.some((segment) => segment.includes('kubepods'))) return undefined;
  const at = segments.findIndex((segment) => POD_UID.test(segment));
  const uid = POD_UID.exec(segments[at] ?? '')?.[1];
  if (uid === undefined) return undefined;
  const containerId = segments.slice(at).flatMap((segment) => longId(segment) ?? [])[0];
  return {
    kind: 'pod',
    jobId: uid.toLowerCase().replaceAll('_', '-'),
    ...(containerId !== undefined && { containerId: shortId(containerId) }),
  };
}

/** The 64 digits by which an engine knows a container, in whatever it wraps them: `docker-ID.scope`, `libpod-ID`, `ID`. */
const longId = (segment: string): string | undefined =>
  /(?:^|[-:_])([0-9a-f]{64})(?=$|[.:])/.exec(segment)?.[1];

const shortId = (id: string): string => id.slice(0, 12);

/** Docker, podman, containerd and CRI-O by their ids, lxc and systemd-nspawn by their names. */
function container(segments: readonly string[]): CgroupOwner | undefined {
  // The innermost id: an engine inside a container has its own.
  const id = segments.flatMap((segment) => longId(segment) ?? []).at(-1);
  if (id !== undefined) return { kind: 'container', jobId: shortId(id) };
  const named = segments.flatMap((segment) => /^lxc\.payload\.(.+)$/.exec(segment)?.[1] ?? [])[0];
  const lxc = named ?? (segments[0] === 'lxc' ? segments[1] : undefined);
  if (lxc !== undefined) return { kind: 'container', jobId: unescaped(lxc) };
  const machine = segments.find(
    (segment, at) => segments[at - 1] === 'machine.slice' && /\.(?:scope|service)$/.test(segment),
  );
  return machine === undefined ? undefined : { kind: 'container', jobId: unescaped(machine) };
}

/** Everything under a user's slice is the user's: sessions, and the services of `user@UID.service`. */
function user(segments: readonly string[]): CgroupOwner | undefined {
  const id = segments.flatMap(
    (segment) => /^user(?:-(\d+)\.slice|@(\d+)\.service)$/.exec(segment)?.slice(1) ?? [],
  );
  const jobId = id.find((digits) => digits !== undefined);
  return jobId === undefined ? undefined : { kind: 'user', jobId };
}

/** The outermost service; a scope that systemd-run or a manager made is a unit too. */
function unit(segments: readonly string[]): CgroupOwner | undefined {
  const service = segments.find((segment) => /.\.service$/.test(segment));
  const scope = segments.find((segment) => /.\.scope$/.test(segment) && segment !== 'init.scope');
  const name = service ?? scope;
  return name === undefined ? undefined : { kind: 'unit', jobId: unescaped(name) };
}

/** systemd writes bytes that a path cannot hold as `\x2d`. */
const unescaped = (name: string): string =>
  name.replace(/\\x([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
