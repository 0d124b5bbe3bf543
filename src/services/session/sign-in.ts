import type { Database } from '../../entities/database.js';
import { Account } from '../../entities/account.js';
import { BadInputError, PublicError, UnavailableError } from '../../errors.js';
import type { Logger } from '../../log.js';
import { recordAudit } from '../audit/audit-log.js';
import type { PasswordHasher } from './password-hasher.js';
import type { OpenedSession, SessionOwner, SessionStore } from './session-store.js';
import type { SignInThrottle } from './sign-in-throttle.js';
import { auditActor } from './viewer.js';

/** Why a sign-in failed; for the log and the audit only, callers cannot tell these apart. */
export type SignInFailure = 'UNKNOWN' | 'WRONG_PASSWORD' | 'DISABLED' | 'EXPIRED' | 'LOCKED' | 'MUST_CHANGE_PASSWORD';

/** What a directory says of a name and a password. */
export type DirectoryAnswer =
  | { readonly outcome: 'OK'; readonly directoryId: string; readonly name: string }
  | { readonly outcome: SignInFailure }
  | { readonly outcome: 'UNAVAILABLE'; readonly cause: unknown };

/** Asks the directory whether a password is right; implemented over the LDAP cache and a bind. */
export interface DirectoryPasswords {
  check(login: string, password: string): Promise<DirectoryAnswer>;
}

/** The credentials were refused; one answer for every reason, so that nobody learns which accounts exist. */
export class CredentialsRefusedError extends PublicError {
  constructor() {
    super('CREDENTIALS_REFUSED', 'Login or password is wrong, or the account cannot sign in.');
  }
}

// A directory answers longer names with errors of its own; no account has one.
const MAX_LOGIN_LENGTH = 320;
const MAX_PASSWORD_LENGTH = 1024;

/** The login as it is compared: NFC, lower case, without surrounding space. */
export function loginKey(login: string): string {
  return login.trim().normalize('NFC').toLowerCase();
}

/** Checks credentials of local accounts and of people of the directory, and opens sessions. */
export class SignIn {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionStore,
    private readonly throttle: SignInThrottle,
    private readonly directory: DirectoryPasswords,
    private readonly passwords: PasswordHasher,
    private readonly log: Logger,
  ) {}

  /**
   * Signs somebody in. Throws {@link CredentialsRefusedError} for every reason that lies with the account, DIRECTORY_UNAVAILABLE
   * when the directory does not answer, TOO_MANY_REQUESTS after too many failures, BAD_USER_INPUT for empty fields (rule L8).
   */
  async signIn(login: string, password: string, remoteAddress: string): Promise<OpenedSession> {
    const key = loginKey(login);
    if (key === '' || key.length > MAX_LOGIN_LENGTH)
      throw new BadInputError('login', `login must have 1 to ${MAX_LOGIN_LENGTH} characters.`);
    if (password === '' || password.length > MAX_PASSWORD_LENGTH) {
      throw new BadInputError('password', `password must have 1 to ${MAX_PASSWORD_LENGTH} characters.`);
    }
    await this.throttle.begin(key, remoteAddress);
    const answer = await this.#check(key, password);
    if ('failure' in answer) {
      await this.#recordFailure(key, remoteAddress, answer.failure);
      throw new CredentialsRefusedError();
    }
    if ('cause' in answer) {
      await this.throttle.excused(key, remoteAddress);
      this.log.warn({ err: answer.cause }, 'sign-in: the directory does not answer');
      throw new UnavailableError(
        'DIRECTORY_UNAVAILABLE',
        'The directory does not answer, so nobody can be signed in from it now. Try again later.',
      );
    }
    await this.throttle.succeeded(key, remoteAddress);
    const opened = await this.sessions.open(answer.owner, remoteAddress);
    await this.database.transaction((transaction) =>
      recordAudit(transaction, { actor: auditActor(opened.viewer), remoteAddress, event: 'SIGN_IN', outcome: 'DONE' }),
    );
    return opened;
  }

  async #check(
    key: string,
    password: string,
  ): Promise<{ owner: SessionOwner } | { failure: SignInFailure } | { cause: unknown }> {
    const account = await this.database.manager.findOneBy(Account, { loginKey: key });
    if (account) {
      if (!(await this.passwords.verify(password, account.passwordHash))) return { failure: 'WRONG_PASSWORD' };
      if (account.disabled) return { failure: 'DISABLED' };
      return { owner: { accountId: account.id, directoryId: null, login: account.login, name: account.name } };
    }
    const answer = await this.directory.check(key, password);
    if (answer.outcome === 'OK') {
      return { owner: { accountId: null, directoryId: answer.directoryId, login: key, name: answer.name } };
    }
    if (answer.outcome === 'UNAVAILABLE') return { cause: answer.cause };
    // Every failure takes as long as a wrong password of a local account, so that time tells nothing about names.
    await this.passwords.verify(password, '');
    return { failure: answer.outcome };
  }

  async #recordFailure(key: string, remoteAddress: string, reason: SignInFailure): Promise<void> {
    this.log.info({ reason, remoteAddress }, 'sign-in refused');
    await this.database.transaction((transaction) =>
      recordAudit(transaction, {
        actor: `unknown:${key}`,
        remoteAddress,
        event: 'SIGN_IN',
        outcome: 'REFUSED',
        details: { reason },
      }),
    );
  }
}
