import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { createServer, UnwillingToPerformError, type Server, type ServerOptions } from 'ldapjs';
import type { Logger } from '../../log.js';
import { BerSyntaxError, readElement, type BerElement } from './ber.js';
import { configurationEntries } from './configuration.js';
import { EmbeddedConnection } from './embedded-connection.js';
import { EntryStore, newGuid, type StoredEntry } from './entry-store.js';
import { exampleOrganisation, type Organisation } from './organisation.js';
import { decodeBind, decodeEnvelope, decodeExtendedName, decodeSearch, OPERATION } from './request.js';
import { encodeResult, RESPONSE, RESULT } from './response.js';

// What ldapjs attaches to its connections and offers without telling it in its types.
type LdapjsSocket = Socket & { parser?: { write(bytes: Buffer): void } };
type LdapjsServer = Server & { readonly port: number; newConnection(socket: Socket): void };

const HOST = '127.0.0.1';
// Every message is a sequence (RFC 4511, 4.1.1).
const LDAP_MESSAGE = 0x30;
const START_TLS = '1.3.6.1.4.1.1466.20037';

/** Ways in which the server can fail on purpose; may be changed while it runs. */
export interface EmbeddedFaults {
  /** Simple binds without TLS are refused with strongAuthRequired, as domain controllers that require signing do. */
  requireTls?: boolean;
  /** The connection is cut after this many entries. */
  dropAfterEntries?: number;
  /** Every search is answered with busy. */
  busy?: boolean;
  /** Entries without sense, or bytes that are no LDAP at all. */
  garbage?: 'ENTRIES' | 'BYTES';
  /** An empty page, with a cookie for the next one, comes before every page. */
  emptyPages?: boolean;
  /** Every answer is held back this long. */
  delayMs?: number;
}

/** How the embedded directory is set up; the defaults are those of a Windows domain controller. */
export interface EmbeddedDirectoryOptions {
  organisation?: Organisation;
  /** 0 (default): any free port. */
  port?: number;
  /** With a key and a certificate (PEM) the server speaks ldaps, or ldap with StartTLS. */
  tls?: { key: string; cert: string; startTls?: boolean };
  /** Most entries of one answer (default 1000). */
  maxPageSize?: number;
  /** Most values of one attribute in an answer (default 1500). */
  maxValRange?: number;
  /** Whether Exchange extended the schema (default true). */
  exchangeSchema?: boolean;
  /** Whether the show-deleted control has an effect (default true). */
  deletedObjectsReadable?: boolean;
  faults?: EmbeddedFaults;
  logger?: Logger;
}

/** What the connections of one server share. */
export interface ServerState {
  readonly store: EntryStore;
  readonly options: {
    maxPageSize: number;
    maxValRange: number;
    exchangeSchema: boolean;
    tls: EmbeddedDirectoryOptions['tls'];
  };
  readonly deletedObjectsReadable: boolean;
  configuration: readonly StoredEntry[];
  faults: EmbeddedFaults;
}

/**
 * An LDAP server for the demo and the tests that behaves like Active Directory, on the loopback interface only.
 * ldapjs listens, keeps the connections and answers what is refused; binds and searches are answered here, because
 * ldapjs takes no principal name in a bind and damages values with escapes or octets in filters.
 */
export class EmbeddedDirectory {
  /** The entries; changing them takes effect at once. */
  readonly entries: EntryStore;
  private readonly state: ServerState;
  private readonly options: EmbeddedDirectoryOptions;
  private readonly sockets = new Set<Socket>();
  private server: LdapjsServer | undefined;

  constructor(options: EmbeddedDirectoryOptions = {}) {
    this.options = options;
    this.entries = new EntryStore(options.organisation ?? exampleOrganisation);
    const { maxPageSize = 1000, maxValRange = 1500, exchangeSchema = true, deletedObjectsReadable = true } = options;
    this.state = {
      store: this.entries,
      options: { maxPageSize, maxValRange, exchangeSchema, tls: options.tls },
      deletedObjectsReadable,
      configuration: configurationEntries(this.entries, { invocationId: newGuid(), exchangeSchema }),
      faults: { ...options.faults },
    };
  }

  /** The current faults; assign to change them, effective with the next request. */
  get faults(): EmbeddedFaults {
    return this.state.faults;
  }

  set faults(faults: EmbeddedFaults) {
    this.state.faults = faults;
  }

  /** Starts to listen on 127.0.0.1 and tells the URL. */
  async start(): Promise<{ url: string; port: number }> {
    const { tls } = this.options;
    const isLdaps = tls !== undefined && !tls.startTls;
    const listenOptions = {
      ...(isLdaps ? { key: tls.key, certificate: tls.cert } : {}),
      connectionRouter: (socket: LdapjsSocket) => this.accept(socket, isLdaps),
    };
    const server = createServer(listenOptions as ServerOptions) as LdapjsServer;
    const refuse = (_request: unknown, _response: unknown, next: (error: unknown) => void): void =>
      next(new UnwillingToPerformError('This directory is changed by its owner only, not over LDAP.'));
    for (const operation of ['add', 'modify', 'modifyDN', 'del', 'compare'] as const) server[operation]('', refuse);
    // Without a listener, a client that hangs up in the middle would end the process.
    server.on('clientError', (error: Error) =>
      this.options.logger?.debug({ err: error }, 'embedded directory: client error'),
    );
    this.server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.options.port ?? 0, HOST, () => resolve());
    });
    server.on('error', (error: Error) =>
      this.options.logger?.debug({ err: error }, 'embedded directory: server error'),
    );
    const { port } = server;
    return { url: `${isLdaps ? 'ldaps' : 'ldap'}://${HOST}:${port}`, port };
  }

  /** Cuts all connections and stops to listen. */
  async stop(): Promise<void> {
    const server = this.server;
    if (!server) return;
    this.server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    this.dropConnections();
    await closed;
  }

  /** Cuts all connections; the server goes on listening. */
  dropConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Gives the server another invocationId, as a restore from a backup does: change numbers are worth nothing then. */
  restoreFromBackup(): void {
    const { exchangeSchema } = this.state.options;
    this.state.configuration = configurationEntries(this.entries, { invocationId: newGuid(), exchangeSchema });
  }

  private accept(socket: LdapjsSocket, isSecure: boolean): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    this.server?.newConnection(socket);
    // From here on ldapjs sees only what is handed to its parser.
    socket.removeAllListeners('data');
    const connection = new EmbeddedConnection(socket, isSecure, this.state);
    let pending = Buffer.alloc(0);
    const onData = (data: Buffer): void => {
      pending = Buffer.concat([pending, data]);
      try {
        if (pending.length > 0 && pending[0] !== LDAP_MESSAGE) throw new BerSyntaxError('Not an LDAP message.');
        for (let message = readElement(pending); message; message = readElement(pending)) {
          const bytes = pending.subarray(0, message.end);
          pending = pending.subarray(message.end);
          this.later(socket, () => this.answer(socket, connection, isSecure, message, bytes));
        }
      } catch (error) {
        if (!(error instanceof BerSyntaxError)) throw error;
        this.options.logger?.debug({ err: error }, 'embedded directory: request that is no LDAP');
        socket.destroy();
      }
    };
    socket.on('data', onData);
  }

  private later(socket: Socket, answer: () => void): void {
    const { delayMs } = this.state.faults;
    if (!delayMs) return answer();
    const timer = setTimeout(answer, delayMs);
    socket.once('close', () => clearTimeout(timer));
  }

  private answer(
    socket: LdapjsSocket,
    connection: EmbeddedConnection,
    isSecure: boolean,
    message: BerElement,
    bytes: Buffer,
  ): void {
    const { messageId, operation, controls } = decodeEnvelope(message);
    if (operation.tag === OPERATION.bind) return connection.bind(decodeBind(messageId, operation));
    if (operation.tag === OPERATION.search) return connection.search(decodeSearch(messageId, operation, controls));
    const startsTls = operation.tag === OPERATION.extended && decodeExtendedName(operation) === START_TLS;
    if (startsTls && this.options.tls?.startTls && !isSecure) return this.startTls(socket, messageId, this.options.tls);
    socket.parser?.write(bytes);
  }

  private startTls(socket: Socket, messageId: number, tls: { key: string; cert: string }): void {
    socket.removeAllListeners('data');
    socket.write(encodeResult(messageId, RESPONSE.extended, { code: RESULT.success }));
    this.accept(new TLSSocket(socket, { isServer: true, key: tls.key, cert: tls.cert }), true);
  }
}
