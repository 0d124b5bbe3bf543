import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { LdapConnectionSettings } from '../../src/ldap/connection-settings.js';
import { makeCertificates, type TestCertificates } from './certificates.js';

const run = promisify(execFile);
const PROGRAM = ['/usr/sbin/slapd', '/usr/lib/slapd', '/usr/libexec/slapd', '/usr/local/libexec/slapd'].find((path) =>
  existsSync(path),
);
const SLAPADD = ['/usr/sbin/slapadd', '/usr/local/sbin/slapadd'].find((path) => existsSync(path));
const SCHEMA_FOLDER = ['/etc/ldap/schema', '/etc/openldap/schema'].find((path) => existsSync(path));
const START_DEADLINE_MS = 10_000;

/** Why the tests against slapd cannot run here; null when they can. */
export const slapdMissing: string | null =
  PROGRAM && SLAPADD && SCHEMA_FOLDER ? null : 'slapd is not installed (Debian packages slapd and ldap-utils)';

/** `describe` for tests that need slapd: skipped with the reason where it is absent, a failure with REQUIRE_SERVICES=1. */
export function describeWithSlapd(title: string, tests: () => void): void {
  if (slapdMissing === null) describe(title, tests);
  else if (process.env.REQUIRE_SERVICES === '1') {
    it(`${title}: needs slapd`, () => {
      throw new Error(slapdMissing);
    });
  } else describe.skip(`${title} (${slapdMissing})`, tests);
}

/** Attributes of Active Directory, so that the same data can be served; identity is entryUUID. */
const AD_LIKE_SCHEMA = `
attributetype ( 1.3.6.1.4.1.55555.2.1 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.2.2 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.2.3 NAME 'proxyAddresses' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.55555.2.4 NAME 'msExchDelegateListLink' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )
attributetype ( 1.3.6.1.4.1.55555.2.5 NAME 'userAccountControl' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.2.6 NAME 'accountExpires' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.2.7 NAME 'extensionAttribute1' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.55555.3.1 NAME 'adUser' SUP top AUXILIARY MAY ( sAMAccountName $ userPrincipalName $ proxyAddresses $ msExchDelegateListLink $ userAccountControl $ accountExpires $ extensionAttribute1 ) )
objectclass ( 1.3.6.1.4.1.55555.3.2 NAME 'adGroup' SUP top AUXILIARY MAY ( sAMAccountName $ displayName $ proxyAddresses $ mail ) )
`;

/** A private slapd: own folder, own free port on 127.0.0.1, TLS needed for every bind. */
export interface Slapd {
  readonly port: number;
  readonly certificates: TestCertificates;
  /** Settings that reach it with StartTLS. */
  readonly settings: LdapConnectionSettings;
  /** The same server, spoken to over TLS from the start. */
  readonly ldapsSettings: LdapConnectionSettings;
  stop(): Promise<void>;
}

/** The suffix that the private slapd serves. */
export const SLAPD_SUFFIX = 'dc=example,dc=com';

const MANAGER = `cn=manager,${SLAPD_SUFFIX}`;
const MANAGER_PASSWORD = 'manager-secret';

/** Starts slapd with the given entries (LDIF below the suffix); size limit 1000 and TLS as a domain controller has them. */
export async function startSlapd(ldif: string): Promise<Slapd> {
  if (!PROGRAM || !SLAPADD || !SCHEMA_FOLDER) throw new Error(slapdMissing ?? 'slapd is missing');
  const folder = await mkdtemp(join(tmpdir(), 'mailkeep-slapd-'));
  const certificates = await makeCertificates();
  const [port, ldapsPort] = [await freePort(), await freePort()];
  await mkdir(join(folder, 'data'));
  await writeFile(join(folder, 'ca.pem'), certificates.ca);
  await writeFile(join(folder, 'server.pem'), certificates.good.cert);
  await writeFile(join(folder, 'server.key'), certificates.good.key, { mode: 0o600 });
  await writeFile(join(folder, 'ad.schema'), AD_LIKE_SCHEMA);
  await writeFile(join(folder, 'slapd.conf'), configuration(folder, SCHEMA_FOLDER));
  const suffix = `dn: ${SLAPD_SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n`;
  await writeFile(join(folder, 'entries.ldif'), suffix + ldif);
  await run(SLAPADD, ['-q', '-f', join(folder, 'slapd.conf'), '-l', join(folder, 'entries.ldif')]);

  const urls = `ldap://127.0.0.1:${port}/ ldaps://127.0.0.1:${ldapsPort}/`;
  // -d 0 keeps it in the foreground, so that it ends with us and is known by its pid.
  const child = spawn(PROGRAM, ['-f', join(folder, 'slapd.conf'), '-h', urls, '-d', '0'], { stdio: 'ignore' });
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await waitForPort(port, child);
  } catch (error) {
    await stop();
    throw error;
  }
  const settings: LdapConnectionSettings = {
    domain: 'example.com',
    servers: [{ host: '127.0.0.1', port }],
    tlsMode: 'STARTTLS',
    plainAllowed: false,
    caPem: certificates.ca,
    baseDn: SLAPD_SUFFIX,
    bindName: MANAGER,
    bindPassword: MANAGER_PASSWORD,
    addressAttributes: 'BOTH',
    contacts: false,
    delegationAttributes: ['msExchDelegateListLink'],
    preset: 'OPENLDAP',
    overrides: { loginAttribute: 'sAMAccountName', groupFilter: '(objectClass=groupOfNames)' },
  };
  const ldapsSettings: LdapConnectionSettings = {
    ...settings,
    tlsMode: 'LDAPS',
    servers: [{ host: '127.0.0.1', port: ldapsPort }],
  };
  return { port, certificates, settings, ldapsSettings, stop };
}

function configuration(folder: string, schemaFolder: string): string {
  const modules = ['/usr/lib/ldap', '/usr/lib64/openldap', '/usr/lib/openldap'].find((path) => existsSync(path));
  return `
${['core', 'cosine', 'inetorgperson', 'nis'].map((name) => `include ${join(schemaFolder, `${name}.schema`)}`).join('\n')}
include ${join(folder, 'ad.schema')}
${modules ? `modulepath ${modules}\nmoduleload back_mdb` : ''}
pidfile ${join(folder, 'slapd.pid')}
TLSCACertificateFile ${join(folder, 'ca.pem')}
TLSCertificateFile ${join(folder, 'server.pem')}
TLSCertificateKeyFile ${join(folder, 'server.key')}
# As Windows does: a name with an empty password is an anonymous bind that succeeds.
allow bind_anon_cred bind_anon_dn
security simple_bind=128
database mdb
suffix "${SLAPD_SUFFIX}"
rootdn "cn=root,${SLAPD_SUFFIX}"
directory ${join(folder, 'data')}
maxsize 268435456
index objectClass,entryUUID,sAMAccountName,uid,mail,modifyTimestamp eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${MANAGER}" write by users read by anonymous none
limits * size=1000 size.pr=1000 size.prtotal=unlimited
`;
}

/** LDIF of an account that the directory settings bind with. */
export const managerLdif = `dn: ${MANAGER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: manager
userPassword: ${MANAGER_PASSWORD}

`;

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function waitForPort(port: number, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`slapd ended at once with code ${child.exitCode}.`);
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    if (Date.now() > deadline) throw new Error('slapd did not start in time.');
    await pause(30);
  }
}
