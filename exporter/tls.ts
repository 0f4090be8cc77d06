// The TLS part of web.config.yml in Node's words: Go's names of versions, cipher suites and curves, and what is asked
// of a client's certificate.

import type { SecureContextOptions, SecureVersion, TLSSocket } from 'node:tls';

/** A version by its name in exporter-toolkit. */
export type TlsVersion = 'TLS10' | 'TLS11' | 'TLS12' | 'TLS13';

/** exporter-toolkit's names → Node's. */
export const TLS_VERSIONS: Readonly<Record<TlsVersion, SecureVersion>> = {
  TLS10: 'TLSv1',
  TLS11: 'TLSv1.1',
  TLS12: 'TLSv1.2',
  TLS13: 'TLSv1.3',
};

/** Cipher suites by their IANA names, as Go writes them → OpenSSL's. Those of TLS 1.3 are not configurable in Go. */
export const CIPHER_SUITES: Readonly<Record<string, string>> = {
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
};

/** Curves by Go's names → OpenSSL's. */
export const CURVES: Readonly<Record<string, string>> = {
  CurveP256: 'prime256v1',
  CurveP384: 'secp384r1',
  CurveP521: 'secp521r1',
  X25519: 'X25519',
};

/** What is asked of clients, by the names of exporter-toolkit. */
export const CLIENT_AUTH_TYPES = [
  'NoClientCert',
  'RequestClientCert',
  'RequireClientCert',
  'RequireAnyClientCert',
  'VerifyClientCertIfGiven',
  'RequireAndVerifyClientCert',
] as const;
export type ClientAuthType = (typeof CLIENT_AUTH_TYPES)[number];

/** TLS as the server needs it. */
export interface TlsConfig {
  readonly context: SecureContextOptions;
  /** When the server's own certificate is of no use any more, seconds since 1970. */
  readonly expiresSeconds: number;
  readonly clientAuth: ClientAuthType;
  /** A client's certificate must hold one of these names; empty: any. */
  readonly allowedNames: readonly string[];
}

/** Whether clients are to be asked for a certificate. */
export const asksForCertificate = ({ clientAuth }: TlsConfig): boolean =>
  clientAuth !== 'NoClientCert';

const hasCertificate = (socket: TLSSocket): boolean =>
  Object.keys(socket.getPeerCertificate() ?? {}).length > 0;

function hasAllowedName(socket: TLSSocket, allowed: readonly string[]): boolean {
  if (allowed.length === 0) return true;
  // `DNS:host, IP Address:10.0.0.1, URI:spiffe://…`
  const names = (socket.getPeerCertificate().subjectaltname ?? '')
    .split(', ')
    .map((entry) => entry.slice(entry.indexOf(':') + 1));
  return names.some((name) => allowed.includes(name));
}

/** Whether the certificate that a client showed, or did not show, is enough. */
export function acceptsClient(socket: TLSSocket, { clientAuth, allowedNames }: TlsConfig): boolean {
  switch (clientAuth) {
    case 'NoClientCert':
    case 'RequestClientCert':
      return true;
    case 'RequireClientCert':
    case 'RequireAnyClientCert':
      return hasCertificate(socket) && hasAllowedName(socket, allowedNames);
    case 'VerifyClientCertIfGiven':
      return !hasCertificate(socket) || (socket.authorized && hasAllowedName(socket, allowedNames));
    case 'RequireAndVerifyClientCert':
      return socket.authorized && hasAllowedName(socket, allowedNames);
  }
}
