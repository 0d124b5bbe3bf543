/** How a connection is protected. */
export enum TlsMode {
  LDAPS = 'LDAPS',
  STARTTLS = 'STARTTLS',
  PLAIN = 'PLAIN',
}

/** Which attributes hold mail addresses. */
export enum AddressAttributes {
  MAIL = 'MAIL',
  PROXY_ADDRESSES = 'PROXY_ADDRESSES',
  BOTH = 'BOTH',
}

/** Which kind of directory it is. */
export enum DirectoryPreset {
  ACTIVE_DIRECTORY = 'ACTIVE_DIRECTORY',
  OPENLDAP = 'OPENLDAP',
  FREEIPA = 'FREEIPA',
}

/** How often a connection is synchronised. */
export enum ScheduleKind {
  INTERVAL = 'INTERVAL',
  DAILY = 'DAILY',
  WEEKLY = 'WEEKLY',
  MONTHLY = 'MONTHLY',
  MANUAL = 'MANUAL',
}

/** How a step of a connection test went. */
export enum ConnectionTestStatus {
  OK = 'OK',
  WARNING = 'WARNING',
  FAILED = 'FAILED',
  SKIPPED = 'SKIPPED',
}
