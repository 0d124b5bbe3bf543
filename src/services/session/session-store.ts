import type { Database, Transaction } from '../../entities/database.js';
import type { Permission } from '../../entities/permission.js';
import { RoleSubjectKind } from '../../entities/role-assignment.js';
import { marksFor } from '../../entities/marks-for.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import { gather } from '../gather.js';
import { newToken, tokenHash } from './secret-token.js';
import type { Viewer } from './viewer.js';

/** How long sessions live, ms. */
export interface SessionLifetimes {
  readonly privilegedIdleMs: number;
  readonly personalIdleMs: number;
  readonly lifetimeMs: number;
}

/** Whose session it is to be. */
export interface SessionOwner {
  readonly accountId: number | null;
  readonly directoryId: string | null;
  readonly login: string;
  readonly name: string;
}

/** A new session with the secret that opens it; the secret is never seen again. */
export interface OpenedSession {
  readonly token: string;
  readonly viewer: Viewer;
}

/** A session that lives, with what its ends are counted from. */
interface LiveSession {
  readonly viewer: Viewer;
  readonly idleMs: number;
  readonly lastUsedAtMs: number;
  readonly endsAtMs: number;
}

interface SessionRow {
  id: number;
  tokenHash: string;
  accountId: number | null;
  subject: string;
  login: string;
  name: string;
  lastUsedAt: number;
  expiresAt: number;
  idleMs: number;
  permissions: string | null;
}

// The last use is written at most so often; an idle time-out is late by no more than that.
const TOUCH_MS = 15_000;

// Sessions that are looked up in one statement.
const GATHERED = 250;

// Roles come with the session in one statement: one row for each role, one with null when there is none.
const LIVE = `
  SELECT s.id, s.token_hash AS tokenHash, s.account_id AS accountId, s.subject, s.login, s.name, s.last_used_at AS lastUsedAt,
         s.expires_at AS expiresAt, s.idle_ms AS idleMs, r.permissions AS permissions
    FROM session s
    LEFT JOIN account a ON a.id = s.account_id
    LEFT JOIN granted_role g ON g.subject_kind = s.subject_kind AND g.subject = s.subject
    LEFT JOIN role r ON r.id = g.role_id
   WHERE (s.account_id IS NULL OR a.disabled = 0) AND s.expires_at > ? AND s.last_used_at + s.idle_ms > ?`;

/** Sessions: opaque random tokens, kept as hashes; every look-up decides anew whether the session still lives. */
export class SessionStore {
  readonly #byToken = gather(GATHERED, (hashes: readonly string[]) =>
    this.#live('token_hash', hashes, (row) => row.tokenHash),
  );
  readonly #byId = gather(GATHERED, (ids: readonly number[]) => this.#live('id', ids, (row) => row.id));
  readonly #touch = gather(GATHERED, (ids: readonly number[]) => this.#touchAll(ids), { inTurn: true });

  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
    private readonly lifetimes: SessionLifetimes,
  ) {}

  /** Opens a session; privileged people get the shorter idle time-out. */
  async open(owner: SessionOwner, remoteAddress: string): Promise<OpenedSession> {
    const token = newToken();
    const now = Date.now();
    const [subjectKind, subject] =
      owner.directoryId === null
        ? [RoleSubjectKind.ACCOUNT, String(owner.accountId)]
        : [RoleSubjectKind.PERSON, owner.directoryId];
    await this.database.transaction(async (transaction) => {
      await transaction.run('DELETE FROM session WHERE expires_at <= ? OR last_used_at + idle_ms <= ?', [now, now]);
      const [role] = await transaction.rows(
        'SELECT 1 AS held FROM granted_role WHERE subject_kind = ? AND subject = ? LIMIT 1',
        [subjectKind, subject],
      );
      await transaction.insert('session', [
        {
          token_hash: tokenHash(token),
          subject_kind: subjectKind,
          subject,
          account_id: owner.accountId,
          login: owner.login.slice(0, 320),
          name: owner.name.slice(0, 255),
          created_at: now,
          last_used_at: now,
          expires_at: now + this.lifetimes.lifetimeMs,
          idle_ms: role ? this.lifetimes.privilegedIdleMs : this.lifetimes.personalIdleMs,
          remote_address: remoteAddress,
        },
      ]);
    });
    const viewer = await this.find(token);
    if (!viewer) throw new Error('A session ended in the moment it was opened.');
    return { token, viewer };
  }

  /** The holder of a token, and a sign of life for the session; undefined when there is no such live session. */
  async find(token: string): Promise<Viewer | undefined> {
    const hash = tokenHash(token);
    const live = (await this.#byToken(hash)).get(hash);
    if (!live) return undefined;
    const now = Date.now();
    if (now - live.lastUsedAtMs > Math.min(TOUCH_MS, live.idleMs / 10)) await this.#touch(live.viewer.sessionId);
    return { ...live.viewer, expiresAtMs: Math.min(live.endsAtMs, now + live.idleMs) };
  }

  /** The session as it is now, without a sign of life: what an open subscription asks before it delivers (rule V11). */
  async revisit(sessionId: number): Promise<Viewer | undefined> {
    return (await this.#byId(sessionId)).get(sessionId)?.viewer;
  }

  /** Ends one session. */
  async end(transaction: Transaction, sessionId: number): Promise<void> {
    await transaction.run('DELETE FROM session WHERE id = ?', [sessionId]);
    await this.changes.append(transaction, [{ topic: topics.session(sessionId), kind: 'REMOVED' }]);
  }

  async #touchAll(sessionIds: readonly number[]): Promise<void> {
    const marks = marksFor(sessionIds);
    await this.database.transaction((transaction) =>
      transaction.run(`UPDATE session SET last_used_at = ? WHERE id IN (${marks})`, [Date.now(), ...sessionIds]),
    );
  }

  async #live<Key extends string | number>(
    column: 'id' | 'token_hash',
    values: readonly Key[],
    keyOf: (row: SessionRow) => string | number,
  ): Promise<Map<string | number, LiveSession>> {
    const now = Date.now();
    const marks = marksFor(values);
    const rows = await this.database.rows<SessionRow>(`${LIVE} AND s.${column} IN (${marks})`, [now, now, ...values]);
    const bySession = new Map<string | number, SessionRow[]>();
    for (const row of rows) {
      const known = bySession.get(keyOf(row));
      if (known) known.push(row);
      else bySession.set(keyOf(row), [row]);
    }
    return new Map(
      [...bySession].flatMap(([key, each]) => {
        const session = this.#sessionOf(each, now);
        return session ? [[key, session] as const] : [];
      }),
    );
  }

  #sessionOf(rows: readonly SessionRow[], now: number): LiveSession | undefined {
    const [row] = rows;
    if (!row) return undefined;
    const permissions = new Set(
      rows.flatMap((each) => (each.permissions === null ? [] : (JSON.parse(each.permissions) as Permission[]))),
    );
    // Who was given a role after signing in has the shorter time-out from then on.
    const idleMs = permissions.size > 0 ? Math.min(row.idleMs, this.lifetimes.privilegedIdleMs) : row.idleMs;
    const expiresAtMs = Math.min(row.expiresAt, row.lastUsedAt + idleMs);
    if (expiresAtMs <= now) return undefined;
    const viewer = {
      sessionId: row.id,
      login: row.login,
      name: row.name,
      accountId: row.accountId,
      directoryId: row.accountId === null ? row.subject : null,
      expiresAtMs,
      permissions,
    };
    return { viewer, idleMs, lastUsedAtMs: row.lastUsedAt, endsAtMs: row.expiresAt };
  }
}
