/** How the connection is protected; PLAIN sends passwords readably and needs `plainAllowed`. */
export type LdapTlsMode = 'LDAPS' | 'STARTTLS' | 'PLAIN';

/** Which attributes hold the mail addresses of an account (rule L1). */
export type LdapAddressAttributes = 'MAIL' | 'PROXY_ADDRESSES' | 'BOTH';

/** The kinds of directory whose names for things are known. */
export type LdapPreset = 'ACTIVE_DIRECTORY' | 'OPENLDAP' | 'FREEIPA';

/** One directory server; the port is 636 for LDAPS and 389 otherwise unless given. */
export interface LdapServerAddress {
  readonly host: string;
  readonly port?: number;
}

/** Where a directory calls things by other names than its preset says. */
export interface LdapOverrides {
  readonly personFilter?: string;
  readonly groupFilter?: string;
  readonly contactFilter?: string;
  readonly idAttribute?: string;
  readonly loginAttribute?: string;
  readonly displayNameAttribute?: string;
  readonly mailAttribute?: string;
  readonly memberAttribute?: string;
}

/** How long a server, or DNS, may take until there is a connection, ms, unless the settings say otherwise. */
export const CONNECT_TIMEOUT_MS = 5_000;

/** Everything that is needed to read one directory (rule L1); a plain object, the password in clear. */
export interface LdapConnectionSettings {
  /** DNS name of the directory's domain, lower case. */
  readonly domain: string;
  /** Tried in this order; empty: found by DNS SRV records of the domain (RFC 2782). */
  readonly servers: readonly LdapServerAddress[];
  readonly tlsMode: LdapTlsMode;
  readonly plainAllowed: boolean;
  /** Certificates (PEM) of the authorities to trust; null: those of the system. */
  readonly caPem: string | null;
  readonly baseDn: string;
  /** DN, user principal name, or DOMAIN\name. */
  readonly bindName: string;
  readonly bindPassword: string;
  readonly addressAttributes: LdapAddressAttributes;
  /** Whether contacts are read too (rule L1). */
  readonly contacts: boolean;
  /** Attributes of group mailboxes that name who has access (rule V9). */
  readonly delegationAttributes: readonly string[];
  readonly preset: LdapPreset;
  readonly overrides: LdapOverrides;
  /** Default 5000. */
  readonly connectTimeoutMs?: number;
  /** For each answer of the server, not for a whole synchronisation; default 30000. */
  readonly operationTimeoutMs?: number;
  /** Entries a page; default 500, domain controllers cut it to 1000. */
  readonly pageSize?: number;
}
