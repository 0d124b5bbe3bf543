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

/** What the directories say of a name and a password. */
export type DirectoryAnswer =
  | { readonly outcome: 'OK'; readonly directoryId: string; readonly name: string }
  | { readonly outcome: SignInFailure }
  /** A directory that the login may belong to does not answer. */
  | {
      readonly outcome: 'UNAVAILABLE';
      readonly cause: unknown;
      /** What those say that do answer; UNKNOWN when none does. */
      readonly reason: SignInFailure;
      readonly isAnyoneThere: boolean;
    };

/** Asks the directories whether a password is right; implemented over the LDAP cache and a bind. */
export interface DirectoryPasswords {
  /** Lasting identities of the people whom the cache knows by this login; several when it is not unique. */
  identify(login: string): Promise<string[]>;
  check(login: string, password: string): Promise<DirectoryAnswer>;
  /** What a stranger with this login would hear now: UNKNOWN, or UNAVAILABLE. */
  probe(login: string): Promise<DirectoryAnswer>;
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

/** A directory that the login may belong to does not answer; the same for accounts that exist and others. */
export class DirectoryUnavailableError extends UnavailableError {
  constructor() {
    super(
      'DIRECTORY_UNAVAILABLE',
      'Login or password is wrong, or the directory that knows this account does not answer now. Check both, or try again later.',
    );
  }
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
   * Signs somebody in. Throws {@link CredentialsRefusedError} for every reason that lies with the account,
   * {@link DirectoryUnavailableError} when nobody could be let in and a directory does not answer, TOO_MANY_REQUESTS after too
   * many failures, BAD_USER_INPUT for empty fields (rule L8).
   */
  async signIn(login: string, password: string, remoteAddress: string): Promise<OpenedSession> {
    const key = loginKey(login);
    if (key === '' || key.length > MAX_LOGIN_LENGTH)
      throw new BadInputError('login', `login must have 1 to ${MAX_LOGIN_LENGTH} characters.`);
    if (password === '' || password.length > MAX_PASSWORD_LENGTH) {
      throw new BadInputError('password', `password must have 1 to ${MAX_PASSWORD_LENGTH} characters.`);
    }
    const account = await this.database.manager.findOneBy(Account, { loginKey: key });
    const people = account ? [] : await this.directory.identify(key);
    const counted = [nameOf(key), ...(account ? [localSubject(account.id)] : people.map(personSubject))];
    await this.throttle.begin(counted, remoteAddress);
    const answer = account ? await this.#checkLocal(account, key, password) : await this.#checkPerson(key, password);
    if ('owner' in answer) {
      const { accountId, directoryId } = answer.owner;
      const own = directoryId === null ? localSubject(Number(accountId)) : personSubject(directoryId);
      await this.throttle.succeeded(counted, [nameOf(key), own], remoteAddress);
      const opened = await this.sessions.open(answer.owner, remoteAddress);
      await this.database.transaction((transaction) =>
        recordAudit(transaction, {
          actor: auditActor(opened.viewer),
          remoteAddress,
          event: 'SIGN_IN',
          outcome: 'DONE',
        }),
      );
      return opened;
    }
    if (answer.fault) this.log.warn({ err: answer.fault.cause }, 'sign-in: a directory does not answer');
    const isOutage = answer.fault?.isAnyoneThere === false;
    // An office behind one address must not be locked out because the directory was away.
    if (isOutage) await this.throttle.excused(remoteAddress);
    else await this.#recordFailure(key, remoteAddress, answer.failure);
    throw answer.fault ? new DirectoryUnavailableError() : new CredentialsRefusedError();
  }

  async #checkLocal(account: Account, key: string, password: string): Promise<Answer> {
    const isRight = await this.passwords.verify(password, account.passwordHash);
    if (isRight && !account.disabled)
      return { owner: { accountId: account.id, directoryId: null, login: account.login, name: account.name } };
    const failure = isRight ? 'DISABLED' : 'WRONG_PASSWORD';
    // Whoever guesses must not learn from the state of the directory that this account is none of its own.
    const answer = await this.directory.probe(key);
    return answer.outcome === 'UNAVAILABLE' ? { failure, fault: answer } : { failure };
  }

  async #checkPerson(key: string, password: string): Promise<Answer> {
    const answer = await this.directory.check(key, password);
    if (answer.outcome === 'OK')
      return { owner: { accountId: null, directoryId: answer.directoryId, login: key, name: answer.name } };
    // Every failure takes as long as a wrong password of a local account, so that time tells nothing about names.
    await this.passwords.verify(password, '');
    return answer.outcome === 'UNAVAILABLE' ? { failure: answer.reason, fault: answer } : { failure: answer.outcome };
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

type Answer =
  | { readonly owner: SessionOwner }
  | {
      readonly failure: SignInFailure;
      readonly fault?: { readonly cause: unknown; readonly isAnyoneThere: boolean };
    };

/** The name under which failures of a local account are counted. */
export const localSubject = (id: number) => `local:${id}`;
const personSubject = (directoryId: string) => `person:${directoryId}`;

/**
 * What failures are counted by beside the account: the name without a domain, whether somebody has it or not. Otherwise
 * it would show in the count which spellings mean the same account, and so that there is one.
 */
function nameOf(key: string): string {
  const name = key.slice(key.indexOf('\\') + 1);
  const at = name.lastIndexOf('@');
  return `name:${at > 0 ? name.slice(0, at) : name}`;
}
