import { ApiToken, ApiTokenScope } from '../../entities/api-token.js';
import type { Database } from '../../entities/database.js';
import { BadInputError } from '../../errors.js';
import { recordAudit } from '../audit/audit-log.js';
import type { ChangeAuthor } from '../settings/personal-backup-settings-service.js';
import { newToken, tokenHash } from './secret-token.js';

// Tells scanners for leaked secrets what they found.
const PREFIX = 'mk_';
// The last use is written at most so often; intake must not write a row for each message.
const TOUCH_MS = 60_000;

/** Secrets of gateways and automation. */
export class ApiTokens {
  #revocations = 0;

  constructor(private readonly database: Database) {}

  /** How many tokens this process has revoked: who remembers tokens asks again when it changed. */
  get revocations(): number {
    return this.#revocations;
  }

  /** All tokens, newest first; never the secrets. */
  async list(): Promise<ApiToken[]> {
    return this.database.manager.find(ApiToken, { order: { id: 'DESC' } });
  }

  /** Makes a token; the secret is told once and never again. */
  async create(
    name: string,
    scopes: readonly ApiTokenScope[],
    expiresAtMs: number | null,
    author: ChangeAuthor,
  ): Promise<{ token: ApiToken; secret: string }> {
    if (name.trim() === '' || name.length > 255) throw new BadInputError('name', 'name must have 1 to 255 characters.');
    if (scopes.length === 0)
      throw new BadInputError('scopes', `scopes must name at least one of ${Object.values(ApiTokenScope).join(', ')}.`);
    if (expiresAtMs !== null && expiresAtMs <= Date.now())
      throw new BadInputError('expiresAt', 'expiresAt must lie in the future.');
    const secret = PREFIX + newToken();
    return this.database.transaction(async (transaction) => {
      const token = transaction.manager.create(ApiToken, {
        name: name.trim(),
        tokenHash: tokenHash(secret),
        scopes: [...new Set(scopes)],
        createdAtMs: Date.now(),
        lastUsedAtMs: null,
        expiresAtMs,
      });
      await transaction.manager.insert(ApiToken, token);
      await recordAudit(transaction, {
        ...author,
        event: 'API_TOKEN_CREATE',
        outcome: 'DONE',
        subject: `token:${token.name}`,
        details: { scopes },
      });
      return { token, secret };
    });
  }

  /** Ends a token at once; false when there is none with this id. */
  async revoke(id: number, author: ChangeAuthor): Promise<boolean> {
    const revoked = await this.database.transaction(async (transaction) => {
      const token = await transaction.manager.findOneBy(ApiToken, { id });
      if (!token) return false;
      await transaction.manager.delete(ApiToken, { id });
      await recordAudit(transaction, {
        ...author,
        event: 'API_TOKEN_REVOKE',
        outcome: 'DONE',
        subject: `token:${token.name}`,
      });
      return true;
    });
    if (revoked) this.#revocations += 1;
    return revoked;
  }

  /** The token of a secret that is valid now. */
  async find(secret: string): Promise<ApiToken | undefined> {
    const token = await this.database.manager.findOneBy(ApiToken, { tokenHash: tokenHash(secret) });
    if (!token || (token.expiresAtMs !== null && token.expiresAtMs <= Date.now())) return undefined;
    if (Date.now() - (token.lastUsedAtMs ?? 0) > TOUCH_MS) {
      await this.database.transaction((transaction) =>
        transaction.run('UPDATE api_token SET last_used_at = ? WHERE id = ?', [Date.now(), token.id]),
      );
    }
    return token;
  }
}
