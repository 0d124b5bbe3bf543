import type { LdapConnectionSettings, LdapPreset } from './connection-settings.js';

/** What one kind of directory calls the things we read. */
export interface DirectoryNames {
  readonly personFilter: string;
  readonly groupFilter: string;
  /** Null: this kind of directory has no contacts. */
  readonly contactFilter: string | null;
  /** The attribute that is the identity (rule L7). */
  readonly idAttribute: string;
  readonly loginAttribute: string;
  readonly principalAttribute: string;
  readonly displayNameAttribute: string;
  readonly mailAttribute: string;
  readonly memberAttributes: readonly string[];
  /**
   * How people name their primary group, which does not list them as members: by the last part of its SID
   * (primaryGroupID, MS-ADTS 3.1.1.1.6), or by its number (gidNumber, RFC 2307).
   */
  readonly primaryGroup: 'SID' | 'GID';
}

const PRESETS: Readonly<Record<LdapPreset, DirectoryNames>> = {
  ACTIVE_DIRECTORY: {
    personFilter: '(&(objectCategory=person)(objectClass=user))',
    groupFilter: '(objectCategory=group)',
    contactFilter: '(&(objectCategory=person)(objectClass=contact))',
    idAttribute: 'objectGUID',
    loginAttribute: 'sAMAccountName',
    principalAttribute: 'userPrincipalName',
    displayNameAttribute: 'displayName',
    mailAttribute: 'mail',
    memberAttributes: ['member'],
    primaryGroup: 'SID',
  },
  OPENLDAP: {
    personFilter: '(objectClass=inetOrgPerson)',
    groupFilter: '(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))',
    contactFilter: null,
    idAttribute: 'entryUUID',
    loginAttribute: 'uid',
    principalAttribute: 'userPrincipalName',
    displayNameAttribute: 'displayName',
    mailAttribute: 'mail',
    memberAttributes: ['member', 'uniqueMember', 'memberUid'],
    primaryGroup: 'GID',
  },
  FREEIPA: {
    personFilter: '(&(objectClass=person)(objectClass=posixAccount))',
    groupFilter: '(objectClass=groupOfNames)',
    contactFilter: null,
    // Present in every release; entryUUID came to 389 Directory Server only later.
    idAttribute: 'ipaUniqueID',
    loginAttribute: 'uid',
    principalAttribute: 'krbPrincipalName',
    displayNameAttribute: 'displayName',
    mailAttribute: 'mail',
    memberAttributes: ['member'],
    primaryGroup: 'GID',
  },
};

/** Attributes that tell whether an account is disabled or expired, over all kinds of directories. */
export const STATE_ATTRIBUTES: readonly string[] = [
  'userAccountControl',
  'accountExpires',
  'nsAccountLock',
  'pwdAccountLockedTime',
  'krbPrincipalExpiration',
  'shadowExpire',
];

const known = new WeakMap<object, DirectoryNames>();

/** The names that hold for a connection: those of its preset, with its overrides on top. */
export function namesOf(settings: Pick<LdapConnectionSettings, 'preset' | 'overrides'>): DirectoryNames {
  // Asked for every entry; settings are never changed, only replaced.
  const names = known.get(settings) ?? combine(settings);
  known.set(settings, names);
  return names;
}

function combine(settings: Pick<LdapConnectionSettings, 'preset' | 'overrides'>): DirectoryNames {
  const { memberAttribute, ...overrides } = settings.overrides;
  const given = Object.fromEntries(
    Object.entries(overrides).filter(([, value]) => value !== undefined && value !== ''),
  );
  const names = { ...PRESETS[settings.preset], ...given };
  return memberAttribute ? { ...names, memberAttributes: [memberAttribute] } : names;
}
