import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { checkAccount } from './account-check.js';
import { RangeBeyondEndError, selectAttributes } from './attribute-selection.js';
import { rootDse, SUPPORTED_CONTROLS } from './configuration.js';
import type { ServerState } from './embedded-directory.js';
import type { StoredEntry } from './entry-store.js';
import type { BindRequest, SearchRequest } from './request.js';
import {
  decodePagedResults,
  encodeEntry,
  encodePagedResults,
  encodeReference,
  encodeResult,
  PAGED_RESULTS,
  RESPONSE,
  RESULT,
  type Result,
} from './response.js';
import { search } from './search.js';

// Open result sets of one connection; a client that opens more loses its oldest ones.
const MAX_OPEN_CURSORS = 10;

const NOT_BOUND: Result = {
  code: RESULT.operationsError,
  message:
    '000004DC: LdapErr: DSID-0C0907E9, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v4563\0',
};
const TLS_NEEDED: Result = {
  code: RESULT.strongAuthRequired,
  message:
    '00002028: LdapErr: DSID-0C090256, comment: The server requires binds to turn on integrity checking if SSL\\TLS are not already active on the connection, data 0, v4563\0',
};

/** What one client of the embedded directory may do and has open: who is bound, and the cursors of paged searches. */
export class EmbeddedConnection {
  private account: StoredEntry | null = null;
  private readonly cursors = new Map<string, { entries: StoredEntry[]; offset: number }>();
  private sentEntries = 0;
  private lastPageWasEmpty = false;

  constructor(
    private readonly socket: Socket,
    private readonly isSecure: boolean,
    private readonly state: ServerState,
  ) {}

  /** Answers a simple bind. */
  bind(request: BindRequest): void {
    const answer = (result: Result): void => this.write(encodeResult(request.messageId, RESPONSE.bind, result));
    this.account = null;
    if (request.password === null)
      return answer({ code: RESULT.authMethodNotSupported, message: 'Only simple binds are offered.' });
    if (this.state.faults.requireTls && !this.isSecure && request.name !== '') return answer(TLS_NEEDED);
    const outcome = checkAccount(this.state.store, request.name, request.password, Date.now());
    if ('refusal' in outcome) return answer(outcome.refusal);
    this.account = outcome.account;
    answer({ code: RESULT.success });
  }

  /** Answers a search: the root DSE to everybody, all else to whoever is bound. */
  search(request: SearchRequest): void {
    const finish = (result: Result, controls: readonly Buffer[] = []): void =>
      this.write(encodeResult(request.messageId, RESPONSE.searchDone, result, controls));
    const { faults } = this.state;
    if (faults.busy)
      return finish({ code: RESULT.busy, message: '0000200E: SvcErr: DSID-031A120C, problem 5001 (BUSY), data 0\0' });
    const unknown = request.controls.find(({ oid, critical }) => critical && !SUPPORTED_CONTROLS.includes(oid));
    if (unknown)
      return finish({
        code: RESULT.unavailableCriticalExtension,
        message: `The control ${unknown.oid} is not supported.`,
      });
    if (request.base === '' && request.scope === 'base') {
      this.sendRootDse(request);
      return finish({ code: RESULT.success });
    }
    if (!this.account) return finish(NOT_BOUND);

    const paged = request.controls.find(({ oid }) => oid === PAGED_RESULTS);
    const { size, cookie } = paged ? decodePagedResults(paged) : { size: 0, cookie: '' };
    if (cookie && !this.cursors.has(cookie)) {
      return finish({
        code: RESULT.unwillingToPerform,
        message: '00000057: LdapErr: DSID-0C0907C2, comment: Error processing control, data 0, v4563\0',
      });
    }
    const outcome = cookie
      ? { entries: this.cursors.get(cookie)?.entries ?? [], references: [] }
      : search(this.state, request);
    if ('refusal' in outcome) return finish(outcome.refusal);
    const offset = this.cursors.get(cookie)?.offset ?? 0;
    this.cursors.delete(cookie);

    const emptyPageDue = faults.emptyPages && paged && !this.lastPageWasEmpty;
    this.lastPageWasEmpty = Boolean(emptyPageDue);
    if (emptyPageDue)
      return finish({ code: RESULT.success }, [encodePagedResults(this.openCursor(outcome.entries, offset))]);

    const { maxPageSize } = this.state.options;
    const limit = Math.min(paged && size > 0 ? size : maxPageSize, maxPageSize, request.sizeLimit || Infinity);
    const page = outcome.entries.slice(offset, offset + limit);
    const refusal = this.sendEntries(request, page);
    if (refusal === 'dropped') return;
    if (refusal) return finish(refusal);
    for (const url of outcome.references) this.write(encodeReference(request.messageId, url));
    const remains = offset + page.length < outcome.entries.length;
    if (paged)
      return finish({ code: RESULT.success }, [
        encodePagedResults(remains ? this.openCursor(outcome.entries, offset + page.length) : ''),
      ]);
    finish({ code: remains ? RESULT.sizeLimitExceeded : RESULT.success });
  }

  private sendRootDse(request: SearchRequest): void {
    const asked = request.attributes.map((name) => name.toLowerCase());
    const all = asked.length === 0 || asked.includes('*') || asked.includes('+');
    const attributes = rootDse(this.state.store, this.state.options.tls !== undefined).filter(
      ([name, values]) => values.length > 0 && (all || asked.includes(name.toLowerCase())),
    );
    this.write(encodeEntry(request.messageId, '', attributes));
  }

  private sendEntries(request: SearchRequest, page: readonly StoredEntry[]): Result | 'dropped' | undefined {
    const { store, options, faults } = this.state;
    const chunks: Buffer[] = [];
    for (const entry of page) {
      if (faults.dropAfterEntries !== undefined && this.sentEntries >= faults.dropAfterEntries) {
        // What was promised so far goes out, then the line goes dead, as when a server is restarted.
        this.socket.write(Buffer.concat(chunks), () => this.socket.destroy());
        return 'dropped';
      }
      if (faults.garbage === 'BYTES') {
        this.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n', 'latin1'));
        return 'dropped';
      }
      try {
        const selection = {
          maxValRange: options.maxValRange,
          exchangeSchema: options.exchangeSchema,
          typesOnly: request.typesOnly,
        };
        const attributes = selectAttributes(store, entry, request.attributes, selection);
        chunks.push(
          faults.garbage === 'ENTRIES'
            ? garbageEntry(request.messageId, this.sentEntries)
            : encodeEntry(request.messageId, entry.dn, attributes),
        );
      } catch (error) {
        if (error instanceof RangeBeyondEndError)
          return {
            code: RESULT.operationsError,
            message: '00002121: SvcErr: DSID-031401E7, problem 5012 (DIR_ERROR), data 0\0',
          };
        throw error;
      }
      this.sentEntries += 1;
    }
    if (chunks.length > 0) this.write(Buffer.concat(chunks));
    return undefined;
  }

  private openCursor(entries: StoredEntry[], offset: number): string {
    const [oldest] = this.cursors.keys();
    if (this.cursors.size >= MAX_OPEN_CURSORS && oldest !== undefined) this.cursors.delete(oldest);
    const cookie = randomUUID();
    this.cursors.set(cookie, { entries, offset });
    return cookie;
  }

  private write(bytes: Buffer): void {
    if (this.socket.writable) this.socket.write(bytes);
  }
}

// Entries without identity, with an identity of the wrong length, and with a name that is none.
function garbageEntry(messageId: number, count: number): Buffer {
  const kinds = [
    () => encodeEntry(messageId, 'CN=No Identity,DC=example,DC=com', [['sAMAccountName', ['nobody']]]),
    () => encodeEntry(messageId, 'CN=Short Identity,DC=example,DC=com', [['objectGUID', [Buffer.from('short')]]]),
    () =>
      encodeEntry(messageId, 'this is no name', [
        ['objectGUID', [Buffer.alloc(16, count)]],
        ['objectClass', ['top', 'person', 'user']],
      ]),
  ];
  return (kinds[count % kinds.length] as () => Buffer)();
}
