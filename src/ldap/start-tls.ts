import type { Socket } from 'node:net';
import { BerReader } from 'ldapts';
import { LdapError } from './ldap-error.js';

// ExtendedRequest number 1 for StartTLS, 1.3.6.1.4.1.1466.20037 (RFC 4511, 4.14).
const REQUEST = Buffer.concat([
  Buffer.from('301d02010177188016', 'hex'),
  Buffer.from('1.3.6.1.4.1.1466.20037', 'latin1'),
]);
const EXTENDED_RESPONSE = 0x78;
// The answer is a few dozen octets; more is no answer to this.
const MAX_ANSWER_BYTES = 16 * 1024;

/**
 * Asks the server to go over to TLS and waits for its consent. Octets after the consent are refused: somebody on the
 * line could have put them there, to be taken for part of the protected conversation.
 */
export async function requestStartTls(socket: Socket, timeoutMs: number): Promise<void> {
  const answer = await readAnswer(socket, timeoutMs);
  const reader = new BerReader(answer);
  reader.readSequence();
  reader.readInt();
  const operation = reader.readSequence();
  const resultCode = operation === EXTENDED_RESPONSE ? reader.readEnumeration() : null;
  if (resultCode !== 0)
    throw new LdapError('TLS_REFUSED', 'The directory does not offer StartTLS on this port; use LDAPS.');
}

function readAnswer(socket: Socket, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const finish = (act: () => void): void => {
      clearTimeout(timer);
      socket.removeListener('data', onData);
      socket.removeListener('error', onError);
      socket.removeListener('close', onClose);
      socket.pause();
      act();
    };
    const onError = (error: Error): void => finish(() => reject(error));
    const onClose = (): void =>
      finish(() =>
        reject(new LdapError('TLS_REFUSED', 'The directory hung up when StartTLS was asked for; use LDAPS.')),
      );
    const onData = (data: Buffer): void => {
      received = Buffer.concat([received, data]);
      const length = messageLength(received);
      if (length === undefined && received.length < MAX_ANSWER_BYTES) return;
      if (received.length !== length)
        finish(() => reject(new LdapError('TLS_REFUSED', 'The answer to StartTLS was not the expected one.')));
      else finish(() => resolve(received));
    };
    const timer = setTimeout(() => onError(new Error('Connection timeout')), timeoutMs);
    socket.on('data', onData);
    socket.once('error', onError);
    socket.once('close', onClose);
    socket.write(REQUEST);
  });
}

/** The length of the first message in the buffer with its header; undefined while it is incomplete. */
function messageLength(received: Buffer): number | undefined {
  const reader = new BerReader(received);
  if (reader.readSequence() === null || reader.remain < reader.length) return undefined;
  return reader.offset + reader.length;
}
