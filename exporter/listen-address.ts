// `--web.listen-address`: HOST:PORT, [IPv6]:PORT or :PORT (every interface), as Prometheus exporters write it; or a socket
// that was passed. And how an address is told.

import { isIPv6, type AddressInfo } from 'node:net';

import { ConfigError, ListenError } from './errors.ts';

/** Where to listen; no host means every interface, IPv6 and IPv4. */
export interface ListenAddress {
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** An address, or a socket that somebody else has bound. */
export type ListenTarget = ListenAddress | { readonly descriptor: number };

const ADDRESS = /^(?:\[(?<six>[^\]]*)\]|(?<host>[^:[\]]*)):(?<port>\d{1,5})$/;
const MAX_PORT = 65_535;

/** @throws ConfigError when it is no address. */
export function parseListenAddress(text: string): ListenAddress {
  const { six, host, port } = ADDRESS.exec(text)?.groups ?? {};
  const number = Number(port);
  const name = six ?? host;
  const badHost = six !== undefined && !isIPv6(six.replace(/%.*$/, ''));
  if (port === undefined || number > MAX_PORT || badHost) {
    throw new ConfigError(
      `--web.listen-address must be HOST:PORT, [IPv6]:PORT or :PORT with a port of at most ${MAX_PORT}, not "${text}".`,
    );
  }
  return name === undefined || name === '' ? { port: number } : { host: name, port: number };
}

/** The address as it is written in a URL or an option. */
export const formatAddress = ({ host, port }: ListenAddress): string =>
  `${host === undefined ? '' : isIPv6(host) ? `[${host}]` : host}:${port}`;

/** Where the exporter listens. */
export interface ListeningAddress {
  readonly host: string;
  readonly port: number;
  /** For people: with the scheme, and with `localhost` for every interface. */
  readonly url: string;
}

const EVERY_INTERFACE: ReadonlySet<string> = new Set(['::', '0.0.0.0']);

/** Where a server is, as people are told: by the name that they gave it, or by that of the socket. */
export function listeningAddress(
  bound: AddressInfo | string | null,
  target: ListenTarget,
  scheme: string,
): ListeningAddress {
  // A Unix socket that was passed has no name here.
  if (bound === null || typeof bound === 'string')
    return { host: '', port: 0, url: `${scheme} on a Unix socket` };
  const { address, port } = bound;
  const named = 'descriptor' in target ? address : target.host;
  const host = named === undefined || EVERY_INTERFACE.has(named) ? 'localhost' : named;
  return { host: address, port, url: `${scheme}://${formatAddress({ host, port })}` };
}

const CAUSES: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'another program listens there already. Stop it, or choose another --web.listen-address',
  EACCES:
    'ports below 1024 need a privilege. Choose another --web.listen-address, or grant CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL:
    'no interface of this machine has that address. Choose another --web.listen-address',
  ENOTFOUND: 'the host name is not known. Choose another --web.listen-address',
  EAFNOSUPPORT: 'this machine has no IPv6. Choose an IPv4 --web.listen-address',
};

/** Says why listening failed, in one line. */
export function listenError(target: ListenTarget, cause: NodeJS.ErrnoException): ListenError {
  if ('descriptor' in target) {
    const name = `descriptor ${target.descriptor}`;
    const mend = 'The unit must pass stream sockets: ListenStream=, with Accept=no';
    return new ListenError(`Cannot listen on ${name}: ${cause.message}. ${mend}.`, { cause });
  }
  const why = CAUSES[cause.code ?? ''] ?? `${cause.message}. Choose another --web.listen-address`;
  return new ListenError(`Cannot listen on ${formatAddress(target)}: ${why}.`, { cause });
}
