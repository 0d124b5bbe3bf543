import type { connect, Socket } from 'node:net';
import { Client, PagedResultsControl, type Control, type Entry, type Filter } from 'ldapts';
import { CONNECT_TIMEOUT_MS, type LdapConnectionSettings } from './connection-settings.js';
import { FAIL_OVER_KINDS, LdapError, toLdapError, type LdapPhase } from './ldap-error.js';
import { PageRequest } from './page-request.js';
import { RawEntry } from './raw-entry.js';
import { openTcp, openTls } from './secure-socket.js';
import { resolveServers, type ResolvedServer, type ResolveSrv } from './server-addresses.js';
import { requestStartTls } from './start-tls.js';

const OPERATION_TIMEOUT_MS = 30_000;
const PAGE_SIZE = 500;
// A server that never comes to an end would hold a synchronisation for ever.
const MAX_EMPTY_PAGES = 1000;

/** What a search asks for. */
export interface DirectoryQuery {
  readonly filter: Filter;
  readonly scope?: 'base' | 'one' | 'sub';
  readonly attributes: readonly string[];
  /** Attributes whose values are octets; spelt as the server spells them. */
  readonly binary?: readonly string[];
  readonly controls?: readonly Control[];
  /** Most entries that are wanted; the server may stop there. */
  readonly sizeLimit?: number;
}

/** How a connection is opened, beside its settings. */
export interface ConnectOptions {
  /** `host:port` that is tried first, so that change numbers stay comparable. */
  readonly preferServer?: string;
  readonly resolveSrv?: ResolveSrv;
  /** Told of every server that failed before one was found, and of every phase that was passed. */
  readonly onPhase?: (phase: LdapPhase, server: string) => void;
}

// What the messages of ldapts hold, of which it tells its callers only half.
interface WithControls {
  readonly controls?: readonly Control[];
}

interface Page {
  readonly entries: readonly Entry[];
  readonly cookie: Buffer | undefined;
}

/**
 * One conversation with one directory server. ldapts reconnects on its own when a connection breaks, unprotected and
 * without a bind; here it gets one connection and never another, so a break is an error.
 */
export class DirectoryClient {
  private readonly answers = new WeakMap<PageRequest, readonly Control[]>();

  private constructor(
    private readonly client: Client,
    private readonly socket: Socket,
    readonly server: string,
    private readonly settings: LdapConnectionSettings,
  ) {
    // ldapts listens only while it works; an error in between must not end the process.
    socket.on('error', ignoreLateError);
    this.observeControls();
  }

  /** Opens a protected connection to the first server that answers, and binds with the given name or that of the settings. */
  static async bind(settings: LdapConnectionSettings, options: ConnectOptions = {}): Promise<DirectoryClient> {
    return this.firstThatAnswers(settings, options, async (server) => {
      const client = await this.connect(settings, server, options);
      try {
        await client.authenticate(settings.bindName, settings.bindPassword);
        options.onPhase?.('BIND', client.server);
        return client;
      } catch (error) {
        client.close();
        throw error;
      }
    });
  }

  /** Opens a protected connection to the first server that answers, without a bind. */
  static async open(settings: LdapConnectionSettings, options: ConnectOptions = {}): Promise<DirectoryClient> {
    return this.firstThatAnswers(settings, options, (server) => this.connect(settings, server, options));
  }

  /** Proves a name and a password; throws an {@link LdapError} of kind BIND_REFUSED when they are not accepted. */
  async authenticate(name: string, password: string): Promise<void> {
    // Without a password this would be an anonymous bind that succeeds (RFC 4513, 5.1.2; rule L8).
    if (password === '') throw new LdapError('BIND_REFUSED', 'The password is empty.');
    // ldapts takes words such as EXTERNAL for a mechanism that needs no password.
    if (!/[=@\\]/.test(name))
      throw new LdapError('BIND_REFUSED', 'The name is neither a DN, a principal name nor DOMAIN\\name.');
    await this.run('BIND', () => this.client.bind(name, password));
  }

  /** Finds entries page by page; never more than two pages are in memory (RFC 2696). */
  async *search(base: string, query: DirectoryQuery): AsyncGenerator<RawEntry> {
    let emptyPages = 0;
    let coming: Promise<Page> | undefined = this.requestPage(base, query, undefined);
    while (coming) {
      const { entries, cookie }: Page = await coming;
      emptyPages = entries.length > 0 ? 0 : emptyPages + 1;
      if (emptyPages > MAX_EMPTY_PAGES)
        throw new LdapError('PROTOCOL', `${this.server} sends empty pages without end.`);
      // The server works on the next page while this one is used.
      coming = cookie && this.requestPage(base, query, cookie);
      coming?.catch(ignoreLateError);
      for (const entry of entries) yield new RawEntry(entry);
    }
  }

  /** Finds a few entries at once, without paging. */
  async find(base: string, query: DirectoryQuery): Promise<RawEntry[]> {
    return (await this.send(base, query, [...(query.controls ?? [])])).map((entry) => new RawEntry(entry));
  }

  /** Ends the conversation; never fails and never waits. */
  close(): void {
    // The unbind request is a courtesy, the end of the connection is what counts.
    this.client.unbind().catch(() => this.socket.destroy());
  }

  private async send(base: string, query: DirectoryQuery, controls: Control[]): Promise<Entry[]> {
    const { searchEntries } = await this.run('SEARCH', () =>
      this.client.search(
        base,
        {
          scope: query.scope ?? 'sub',
          filter: query.filter,
          attributes: [...query.attributes],
          explicitBufferAttributes: [...(query.binary ?? [])],
          ...(query.sizeLimit ? { sizeLimit: query.sizeLimit } : {}),
        },
        controls,
      ),
    );
    return searchEntries;
  }

  private async run<T>(phase: LdapPhase, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw toLdapError(error, phase, this.server);
    }
  }

  private async requestPage(base: string, query: DirectoryQuery, cookie: Buffer | undefined): Promise<Page> {
    const request = new PageRequest(this.settings.pageSize ?? PAGE_SIZE, cookie);
    const entries = await this.send(base, query, [...(query.controls ?? []), request]);
    const control = this.answers.get(request)?.find((candidate) => candidate instanceof PagedResultsControl);
    const next = control?.value?.cookie;
    return { entries, cookie: next && next.length > 0 ? next : undefined };
  }

  /**
   * The paging of ldapts ends silently at the first page without entries, though a cookie may say that more follow
   * (RFC 2696, 3: a page may be empty); half a directory would look like a whole one. So the cookies are read here.
   */
  private observeControls(): void {
    const inner = this.client as unknown as { _send(message: WithControls): Promise<WithControls | undefined> };
    const send = inner._send.bind(this.client);
    inner._send = async (message) => {
      const answer = await send(message);
      const request = message.controls?.find((control) => control instanceof PageRequest);
      if (request && answer?.controls) this.answers.set(request, answer.controls);
      return answer;
    };
  }

  private static async firstThatAnswers(
    settings: LdapConnectionSettings,
    options: ConnectOptions,
    connect: (server: ResolvedServer) => Promise<DirectoryClient>,
  ): Promise<DirectoryClient> {
    const servers = await resolveServers(settings, options.resolveSrv);
    options.onPhase?.('RESOLVE', servers.map(addressOf).join(', '));
    const preferred = servers.filter((server) => addressOf(server) === options.preferServer);
    const failures: LdapError[] = [];
    for (const server of new Set([...preferred, ...servers])) {
      try {
        return await connect(server);
      } catch (error) {
        if (!(error instanceof LdapError) || !FAIL_OVER_KINDS.has(error.kind)) throw error;
        failures.push(error);
      }
    }
    const [first] = failures;
    if (!first) throw new LdapError('UNREACHABLE', 'There is no server to connect to.');
    if (failures.length === 1) throw first;
    throw new LdapError(first.kind, failures.map(({ message }) => message).join(' '), null, { cause: first });
  }

  private static async connect(
    settings: LdapConnectionSettings,
    server: ResolvedServer,
    options: ConnectOptions,
  ): Promise<DirectoryClient> {
    const address = addressOf(server);
    const timeoutMs = settings.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    if (settings.tlsMode === 'PLAIN' && !settings.plainAllowed) {
      throw new LdapError(
        'TLS_REQUIRED',
        'A connection without TLS would send passwords readably; allow it explicitly or use TLS.',
      );
    }
    let phase: LdapPhase = 'CONNECT';
    let opened: Socket | undefined;
    try {
      opened = await openTcp(server, timeoutMs);
      opened.on('error', ignoreLateError);
      let socket = opened;
      options.onPhase?.('CONNECT', address);
      phase = 'TLS';
      if (settings.tlsMode === 'STARTTLS') await requestStartTls(socket, timeoutMs);
      if (settings.tlsMode !== 'PLAIN') {
        socket = await openTls(socket, server.host, settings.caPem, timeoutMs);
        options.onPhase?.('TLS', address);
      }
      let given = false;
      const client = new Client({
        // Not used for connecting: the only connection is the one opened above.
        url: 'ldap://directory',
        timeout: settings.operationTimeoutMs ?? OPERATION_TIMEOUT_MS,
        createConnection: (() => {
          if (given || socket.readyState !== 'open') {
            throw new LdapError('CONNECTION_LOST', `The connection to ${address} broke off.`);
          }
          given = true;
          return socket;
        }) as typeof connect,
      });
      return new DirectoryClient(client, socket, address, settings);
    } catch (error) {
      opened?.destroy();
      throw toLdapError(error, phase, address);
    }
  }
}

function addressOf({ host, port }: ResolvedServer): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

// The operation that is under way, or the next one, fails with the reason; nothing is lost here.
function ignoreLateError(): void {}
