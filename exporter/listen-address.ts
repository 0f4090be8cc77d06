// `--web.listen-address`: HOST:PORT, [IPv6]:PORT or :PORT (every interface), as Prometheus exporters write it.

import { isIPv6 } from 'node:net';

import { ConfigError, ListenError } from './errors.ts';

/** Where to listen; no host means every interface, IPv6 and IPv4. */
export interface ListenAddress {
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

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
export function listenError(address: ListenAddress, cause: NodeJS.ErrnoException): ListenError {
  const why = CAUSES[cause.code ?? ''] ?? `${cause.message}. Choose another --web.listen-address`;
  return new ListenError(`Cannot listen on ${formatAddress(address)}: ${why}.`, { cause });
}
