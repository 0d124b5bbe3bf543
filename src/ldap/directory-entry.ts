import { mailboxKey, MAX_ADDRESS_LENGTH } from '../entities/mailbox-key.js';
import type { LdapConnectionSettings } from './connection-settings.js';
import { namesOf, STATE_ATTRIBUTES, type DirectoryNames } from './directory-names.js';
import { fileTimeToMs, generalizedTimeToMs } from './directory-time.js';
import { domainOfNormalised, isDn, normaliseDn } from './distinguished-name.js';
import { guidText } from './object-guid.js';
import type { RawEntry } from './raw-entry.js';
import { sidText } from './security-identifier.js';

/** What an entry is to us; a group mailbox is a PERSON that is disabled and holds delegation values. */
export type DirectoryEntryKind = 'PERSON' | 'GROUP' | 'CONTACT';

/** A mail address of an entry, as the directory spells it; compare by `mailboxKey`. */
export interface DirectoryAddress {
  readonly address: string;
  readonly primary: boolean;
}

/** One value of a delegation attribute as the directory holds it (rule L6). */
export interface DelegationValue {
  readonly attribute: string;
  readonly value: string;
}

/** One person, group or contact of a directory (rule L5). */
export interface DirectoryEntry {
  /** objectGUID in its text form, or entryUUID; lower case (rule L7). */
  readonly id: string;
  readonly kind: DirectoryEntryKind;
  readonly dn: string;
  /** The DN in the form in which names are compared. */
  readonly dnKey: string;
  /** DNS name of the domain, from the dc parts of the DN. */
  readonly domain: string;
  readonly accountName: string | null;
  readonly userPrincipalName: string | null;
  readonly displayName: string;
  readonly addresses: readonly DirectoryAddress[];
  readonly disabled: boolean;
  readonly expiresAtMs: number | null;
  /** Of groups: normalised DNs; account names in lower case where a directory lists those (memberUid). */
  readonly members: readonly string[];
  readonly delegations: readonly DelegationValue[];
  /** Of people: what names their primary group, which does not list them; of groups: by what they are named so. */
  readonly primaryGroup: string | null;
}

const DISABLED_BIT = 0x2;
const MS_PER_DAY = 86_400_000;
const BINARY_ID = 'objectguid';
const SID = 'objectSid';

/** The attributes that a connection needs of each entry. */
export function attributesToRead(settings: LdapConnectionSettings, kind: DirectoryEntryKind): string[] {
  const names = namesOf(settings);
  const { idAttribute, loginAttribute, principalAttribute, displayNameAttribute, mailAttribute } = names;
  const common = [
    idAttribute,
    loginAttribute,
    principalAttribute,
    displayNameAttribute,
    'cn',
    mailAttribute,
    'proxyAddresses',
  ];
  const special = kind === 'GROUP' ? names.memberAttributes : kind === 'PERSON' ? STATE_ATTRIBUTES : [];
  const primary = names.primaryGroup === 'SID' ? [SID, 'primaryGroupID'] : ['gidNumber'];
  const delegation = kind === 'CONTACT' ? [] : settings.delegationAttributes;
  return [...new Set([...common, ...special, ...delegation, ...(kind === 'CONTACT' ? [] : primary)])];
}

/** The spelling of the attributes that hold octets. */
export function binaryAttributes(names: DirectoryNames): string[] {
  return [
    ...(names.idAttribute.toLowerCase() === BINARY_ID ? ['objectGUID', names.idAttribute] : []),
    ...(names.primaryGroup === 'SID' ? [SID] : []),
  ];
}

/** The identity of an entry (rule L7); null when it is missing or malformed. */
export function entryId(raw: RawEntry, names: DirectoryNames): string | null {
  if (names.idAttribute.toLowerCase() === BINARY_ID) {
    const octets = raw.octets(names.idAttribute);
    return octets ? guidText(octets) : null;
  }
  const text = raw.text(names.idAttribute).trim().toLowerCase();
  return /^[\x21-\x7e]{1,64}$/.test(text) ? text : null;
}

/** Makes an entry of what came from the directory; a string tells why that is not possible. */
export function toDirectoryEntry(
  raw: RawEntry,
  kind: DirectoryEntryKind,
  settings: LdapConnectionSettings,
): DirectoryEntry | string {
  const names = namesOf(settings);
  const id = entryId(raw, names);
  if (id === null) return `an entry has no usable ${names.idAttribute}`;
  if (!isDn(raw.dn)) return 'an entry has a name that is no DN';
  const dnKey = normaliseDn(raw.dn);
  const addresses = addressesOf(raw, settings, names);
  const accountName = raw.text(names.loginAttribute) || (kind === 'GROUP' && nameOfGroup(raw, names)) || null;
  const label = raw.text(names.displayNameAttribute) || raw.text('cn') || accountName;
  return {
    id,
    kind,
    dn: raw.dn,
    dnKey,
    domain: domainOfNormalised(dnKey) || settings.domain.toLowerCase(),
    accountName,
    userPrincipalName: raw.text(names.principalAttribute) || null,
    displayName: label ?? addresses[0]?.address ?? raw.dn,
    addresses,
    disabled: kind === 'PERSON' && isDisabled(raw),
    expiresAtMs: kind === 'PERSON' ? expiryOf(raw) : null,
    members: kind === 'GROUP' ? names.memberAttributes.flatMap((attribute) => raw.texts(attribute).map(memberKey)) : [],
    delegations:
      kind === 'CONTACT'
        ? []
        : settings.delegationAttributes.flatMap((attribute) =>
            raw.texts(attribute).map((value) => ({ attribute, value })),
          ),
    primaryGroup: kind === 'CONTACT' ? null : primaryGroupOf(raw, kind, settings.domain, names),
  };
}

/**
 * Directories of POSIX accounts name groups by cn. Groups of one user alone are called like that user, which is no clash
 * (rule V8); they list no DN.
 */
function nameOfGroup(raw: RawEntry, names: DirectoryNames): string {
  const listsDns = names.memberAttributes.some((attribute) => raw.texts(attribute).some(isDn));
  return names.primaryGroup === 'GID' && listsDns ? raw.text('cn') : '';
}

function primaryGroupOf(raw: RawEntry, kind: DirectoryEntryKind, domain: string, names: DirectoryNames): string | null {
  if (names.primaryGroup === 'GID') {
    const number = raw.text('gidNumber');
    // Numbers of two directories have nothing to do with each other.
    return /^\d{1,10}$/.test(number) ? `${domain.toLowerCase()} ${number}` : null;
  }
  const octets = raw.octets(SID);
  const own = octets ? sidText(octets) : null;
  if (own === null || kind === 'GROUP') return own;
  const last = raw.text('primaryGroupID');
  return /^\d{1,10}$/.test(last) ? own.replace(/\d+$/, last) : null;
}

function addressesOf(raw: RawEntry, settings: LdapConnectionSettings, names: DirectoryNames): DirectoryAddress[] {
  const uses = settings.addressAttributes;
  const mails = uses === 'PROXY_ADDRESSES' ? [] : raw.texts(names.mailAttribute);
  // SMTP: marks the primary one, smtp: the others; X500:, SIP: and the like are no mail addresses.
  const proxies = uses === 'MAIL' ? [] : raw.texts('proxyAddresses').filter((value) => /^smtp:/i.test(value));
  const primaries = proxies.filter((value) => value.startsWith('SMTP:'));
  const others = proxies.filter((value) => !value.startsWith('SMTP:'));
  const found: DirectoryAddress[] = [];
  const seen = new Set<string>();
  for (const text of [...primaries.map(bare), ...mails, ...others.map(bare)]) {
    const address = text.trim();
    if (!isAddress(address)) continue;
    const key = mailboxKey(address);
    if (seen.has(key)) continue;
    seen.add(key);
    found.push({ address, primary: found.length === 0 });
  }
  return found;
}

function bare(proxyAddress: string): string {
  return proxyAddress.slice('smtp:'.length);
}

function isAddress(text: string): boolean {
  // Spaces and control characters in an address would reach headers and logs.
  return text.length <= MAX_ADDRESS_LENGTH && /^[^\s\x00-\x1f]+@[^\s\x00-\x1f@]+$/.test(text);
}

function memberKey(value: string): string {
  return value.includes('=') ? normaliseDn(value) : value.trim().toLowerCase();
}

function isDisabled(raw: RawEntry): boolean {
  if (Number(raw.text('userAccountControl')) & DISABLED_BIT) return true;
  // 389 Directory Server and FreeIPA; and the permanent lock of OpenLDAP's password policy.
  return /^true$/i.test(raw.text('nsAccountLock')) || raw.text('pwdAccountLockedTime') === '000001010000Z';
}

function expiryOf(raw: RawEntry): number | null {
  const days = raw.text('shadowExpire');
  return (
    fileTimeToMs(raw.text('accountExpires')) ??
    generalizedTimeToMs(raw.text('krbPrincipalExpiration')) ??
    (/^\d{1,6}$/.test(days) ? Number(days) * MS_PER_DAY : null)
  );
}
