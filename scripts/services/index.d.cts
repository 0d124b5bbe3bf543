/** How to reach a running service; every one has these. */
export interface ServiceFacts {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** Its data, configuration and logs. */
  readonly folder: string;
  readonly log: string;
  /** One line that a person can use: a URL or a command. */
  readonly connection: string;
}

export interface MariadbFacts extends ServiceFacts {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly url: string;
}

export interface MariadbOptions {
  /** Commits survive a power cut; off for speed. */
  readonly durable?: boolean;
  readonly bufferPoolMiB?: number;
  /** Further arguments of mariadbd. */
  readonly settings?: readonly string[];
}

export interface SlapdFacts extends ServiceFacts {
  /** ldaps://127.0.0.1:port */
  readonly url: string;
  /** ldap://127.0.0.1:plainPort, where every bind without StartTLS is refused with 13 confidentialityRequired. */
  readonly startTlsUrl: string;
  readonly plainPort: number;
  readonly suffix: string;
  /** May read everything; for the synchronisation. */
  readonly bindDn: string;
  /** May write and has no limit of entries. */
  readonly adminDn: string;
  /** Of both. */
  readonly password: string;
  readonly config: string;
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface SlapdOptions {
  /** dc=example,dc=com if unstated. */
  readonly suffix?: string;
  /** Entries loaded at the first start, below the suffix. */
  readonly ldif?: string;
  readonly durable?: boolean;
  /** Further schema, as lines of slapd.conf. */
  readonly schema?: string;
  /** Further lines of slapd.conf, of the database section. */
  readonly settings?: string;
}

export interface SambaFacts extends ServiceFacts {
  /** ldaps://host:636; the host is a loopback address of its own, because Samba's ports cannot be chosen. */
  readonly url: string;
  /** 389, where a bind without StartTLS is refused with 8 strongAuthRequired. */
  readonly plainPort: number;
  /** example.test */
  readonly domain: string;
  /** EXAMPLE */
  readonly shortName: string;
  readonly suffix: string;
  /** May do everything. */
  readonly adminDn: string;
  /** Of the administrator. */
  readonly password: string;
  readonly config: string;
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface SambaOptions {
  /** Changes made at the first start, as ldapmodify reads them. */
  readonly ldif?: string;
}

export interface ClamdFacts extends ServiceFacts {
  readonly config: string;
}

export interface ClamdOptions {
  /** Further lines of clamd.conf. */
  readonly settings?: readonly string[];
  /** Port to take instead of a free one, for scanners whose files must name it. */
  readonly ports?: { readonly port?: number };
}

export interface RspamdFacts extends ServiceFacts {
  readonly controllerPort: number;
  readonly milterPort: number;
  /** Its /etc/rspamd. */
  readonly config: string;
}

export interface RspamdOptions {
  /** Files below its /etc/rspamd by relative path, such as local.d/metadata_exporter.conf. */
  readonly files?: Readonly<Record<string, string>>;
  /** For the clamd that it uses. */
  readonly clamd?: ClamdOptions;
}

export interface AmavisFacts extends ServiceFacts {
  readonly config: string;
  /** Folder of put-aside messages when no server is given for them. */
  readonly quarantine: string;
}

type AmavisDestiny = 'PASS' | 'DISCARD' | 'REJECT' | 'BOUNCE';

export interface AmavisOptions {
  /** Server on 127.0.0.1 that put-aside messages go to; LMTP if unstated. */
  readonly quarantine?: { readonly port: number; readonly protocol?: 'lmtp' | 'smtp' };
  /** Where passed messages go; the client's host and the port after amavis's own if unstated. */
  readonly forwardPort?: number;
  /** virus, banned and spam DISCARD, badHeader PASS if unstated. */
  readonly destiny?: Partial<Record<'virus' | 'banned' | 'spam' | 'badHeader', AmavisDestiny>>;
  readonly servers?: number;
  /** Further Perl at the end of its configuration. */
  readonly config?: string;
}

export interface PostfixFacts extends ServiceFacts {
  /** Takes mail back from a content filter: no filter, no milter. */
  readonly filteredPort: number;
  readonly config: string;
  /** Folder where delivered messages appear as files, for all recipients; Delivered-To tells them apart. */
  readonly mail: string;
}

export interface PostfixOptions {
  /** Sends everything on to a server on 127.0.0.1 instead of delivering it; SMTP if unstated. */
  readonly next?: { readonly port: number; readonly protocol?: 'lmtp' | 'smtp' };
  readonly milterPort?: number;
  readonly contentFilterPort?: number;
  readonly messageSizeBytes?: number;
  /** Further parameters of main.cf. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Further lines of master.cf. */
  readonly daemons?: string;
  /** Ports to take instead of free ones, for servers that must know them beforehand. */
  readonly ports?: { readonly port?: number; readonly filteredPort?: number };
}

export interface DovecotFacts extends ServiceFacts {
  readonly lmtpPort: number;
  /** Of every mailbox; the name is the address. */
  readonly password: string;
  readonly config: string;
  /** mail/DOMAIN/NAME/Maildir */
  readonly mail: string;
}

/** Facts and options of each service by its name. */
export interface ServiceTypes {
  mariadb: { facts: MariadbFacts; options: MariadbOptions };
  slapd: { facts: SlapdFacts; options: SlapdOptions };
  samba: { facts: SambaFacts; options: SambaOptions };
  redis: { facts: ServiceFacts; options: Record<string, never> };
  clamd: { facts: ClamdFacts; options: ClamdOptions };
  rspamd: { facts: RspamdFacts; options: RspamdOptions };
  amavis: { facts: AmavisFacts; options: AmavisOptions };
  postfix: { facts: PostfixFacts; options: PostfixOptions };
  dovecot: { facts: DovecotFacts; options: Record<string, never> };
}

export type ServiceName = keyof ServiceTypes;

/** The services of one folder; several processes may use the same folder at once. */
export class Services {
  constructor(root: string);
  readonly root: string;
  /** Facts of a running instance; undefined when it does not run. */
  facts<Name extends ServiceName>(name: Name): ServiceTypes[Name]['facts'] | undefined;
  /** Starts a service, and first those that it uses, unless it runs already. */
  start<Name extends ServiceName>(
    name: Name,
    options?: ServiceTypes[Name]['options'],
  ): Promise<ServiceTypes[Name]['facts']>;
  /** Stops a service and waits until its process is gone; false when it did not run. */
  stop(name: ServiceName): Promise<boolean>;
  /** Ends a service without notice, as a crash does; its folder and ports stay for a new start. */
  kill(name: ServiceName): Promise<void>;
  /** Stops everything that runs in this folder; returns what was stopped. */
  stopAll(): Promise<ServiceName[]>;
  /** Removes all data of stopped services. */
  remove(): void;
}

/** Why a service cannot run on this machine; undefined when it can. */
export function absence(name: ServiceName): string | undefined;

/** Debian packages of the services whose programs are missing here. */
export function missingPackages(wanted?: readonly ServiceName[]): string[];

/** Ports on 127.0.0.1 that are free now, all different. */
export function freePorts(count: number): Promise<number[]>;

/** What can be started. */
export function names(): ServiceName[];

/** Stops and removes what test runs left behind that were ended without notice. */
export function sweepAbandonedRuns(): Promise<void>;

/** Creates the folder for the services of one test run; it belongs to this process. */
export function createRun(): string;

/** Stops the services of a run, shared and private ones, and removes its folder. */
export function removeRun(folder: string): Promise<void>;

/** Whether the run's services were stopped or are about to be. */
export function hasEnded(folder: string): boolean;
