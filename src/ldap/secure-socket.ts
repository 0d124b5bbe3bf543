import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { ResolvedServer } from './server-addresses.js';

/** Opens a TCP connection; rejects with the network's error or after the time-out. */
export async function openTcp({ host, port }: ResolvedServer, timeoutMs: number): Promise<Socket> {
  const socket = connectTcp({ host, port, keepAlive: true });
  return settle(socket, 'connect', timeoutMs);
}

/** Puts TLS on an open connection and checks the certificate against the host that was asked for. */
export async function openTls(
  socket: Socket,
  host: string,
  caPem: string | null,
  timeoutMs: number,
): Promise<TLSSocket> {
  return settle(connectTls(tlsOptions(socket, host, caPem)), 'secureConnect', timeoutMs);
}

/** How TLS is done everywhere: verified, by name, at least 1.2. */
export function tlsOptions(socket: Socket, host: string, caPem: string | null): ConnectionOptions {
  return {
    socket,
    host,
    // A name for SNI; IP addresses are not allowed there (RFC 6066, 3).
    ...(isIP(host) ? {} : { servername: host }),
    ...(caPem ? { ca: caPem } : {}),
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    // Node falls back to the name "localhost" when TLS starts on an open connection to an IP address.
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
  };
}

function settle<T extends Socket>(socket: T, event: 'connect' | 'secureConnect', timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      clearTimeout(timer);
      socket.on('error', () => undefined); // what follows the first error tells nothing new
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => fail(new Error('Connection timeout')), timeoutMs);
    socket.once('error', fail);
    socket.once(event, () => {
      clearTimeout(timer);
      socket.removeListener('error', fail);
      resolve(socket);
    });
  });
}
