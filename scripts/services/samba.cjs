'use strict';
const { randomInt } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { certificate } = require('./certificate.cjs');
const { answers, isPortFree, launch, run, waitUntilReady } = require('./processes.cjs');

const DOMAIN = 'example.test';
const SUFFIX = 'DC=example,DC=test';
const SHORT_NAME = 'EXAMPLE';
const PASSWORD = 'Demo-2-Samba';
// Its ports cannot be chosen, so each instance has a loopback address of its own.
const PORT = 636;
const PLAIN_PORT = 389;

const sharedOptions = (folder, host) => ({
  interfaces: `${host}/8`,
  'bind interfaces only': 'yes',
  'server services': 'ldap',
  'private dir': path.join(folder, 'private'),
  'lock dir': path.join(folder, 'lock'),
  'state directory': path.join(folder, 'state'),
  'cache directory': path.join(folder, 'cache'),
  'pid directory': folder,
  'ncalrpc dir': path.join(folder, 'ncalrpc'),
  'ntp signd socket directory': path.join(folder, 'ntp'),
  'winbindd socket directory': path.join(folder, 'winbind'),
  'dsdb:schema update allowed': 'yes',
});

function provision(folder, host) {
  const options = Object.entries(sharedOptions(folder, host)).map(([name, value]) => `--option=${name}=${value}`);
  // Nothing of a configuration that the system may have.
  fs.writeFileSync(path.join(folder, 'empty.conf'), '');
  run('samba-tool', [
    'domain',
    'provision',
    `--configfile=${path.join(folder, 'empty.conf')}`,
    `--targetdir=${folder}`,
    '--server-role=dc',
    `--domain=${SHORT_NAME}`,
    `--realm=${DOMAIN.toUpperCase()}`,
    '--host-name=dc1',
    `--host-ip=${host}`,
    `--adminpass=${PASSWORD}`,
    '--dns-backend=NONE',
    ...options,
  ]);
}

const configuration = ({ folder, host, tls }) => `[global]
workgroup = ${SHORT_NAME}
realm = ${DOMAIN.toUpperCase()}
netbios name = DC1
server role = active directory domain controller


tls cafile = ${tls.caFile}
tls certfile = ${tls.certificateFile}
tls keyfile = ${tls.keyFile}
${Object.entries(sharedOptions(folder, host))
  .map(([name, value]) => `${name} = ${value}`)
  .join('\n')}
`;

// As Exchange extends the schema, with identifiers of our own; an automatic link number (MS-ADTS 3.1.1.2.3.1). In three
// steps, because each is seen by the next one only after the schema was read again.
const attribute = (name, oid, more) => `dn: CN=${name},CN=Schema,CN=Configuration,${SUFFIX}
changetype: add
objectClass: attributeSchema
cn: ${name}
lDAPDisplayName: ${name}
attributeID: 1.3.6.1.4.1.55555.9.1.${oid}
${more}
`;
const DN_SYNTAX = 'attributeSyntax: 2.5.5.1\noMSyntax: 127\noMObjectClass:: KwwCh3McAIVK\nisSingleValued: FALSE';
const TEXT_SYNTAX = 'attributeSyntax: 2.5.5.12\noMSyntax: 64\nisSingleValued: TRUE';
const READ_SCHEMA = `dn:
changetype: modify
add: schemaUpdateNow
schemaUpdateNow: 1
-
`;
const EXCHANGE = `${attribute('msExchDelegateListLink', 1, `${DN_SYNTAX}\nlinkID: 1.2.840.113556.1.2.50`)}
${attribute('extensionAttribute1', 2, TEXT_SYNTAX)}
${READ_SCHEMA}
dn: CN=User,CN=Schema,CN=Configuration,${SUFFIX}
changetype: modify
add: mayContain
mayContain: msExchDelegateListLink
mayContain: extensionAttribute1
-

${READ_SCHEMA}
dn: ${SUFFIX}
changetype: modify
replace: minPwdAge
minPwdAge: 0
-
replace: lockoutThreshold
lockoutThreshold: 3
-
`;

async function freeAddress() {
  for (;;) {
    const host = `127.${randomInt(1, 255)}.${randomInt(0, 256)}.${randomInt(1, 255)}`;
    if ((await isPortFree(PORT, host)) && (await isPortFree(PLAIN_PORT, host))) return host;
  }
}

/** Samba as a domain controller of Active Directory, its schema extended as Exchange extends it; LDAP alone, no DNS, no Kerberos. */
module.exports = {
  name: 'samba',
  summary: 'Samba as an Active Directory domain controller, LDAP only',
  packages: ['samba', 'samba-ad-provision', 'samba-dsdb-modules', 'samba-vfs-modules', 'ldap-utils', 'openssl'],
  programs: ['samba', 'samba-tool', 'ldapmodify', 'openssl'],
  files: ['/usr/share/samba/setup/provision.ldif'],
  ports: [],
  needsRoot: true,

  async start({ folder, log, options, previous }) {
    const host = previous?.host ?? (await freeAddress());
    const tls = certificate(path.join(folder, 'tls'), host);
    const config = path.join(folder, 'smb.conf');
    const isNew = !fs.existsSync(config);
    if (isNew) provision(folder, host);
    fs.writeFileSync(config, configuration({ folder, host, tls }), { mode: 0o600 });
    for (const name of ['lock', 'cache', 'ncalrpc', 'ntp', 'winbind'])
      fs.mkdirSync(path.join(folder, name), { recursive: true });
    const launched = launch('samba', ['-F', '--debug-stdout', '-M', 'single', '--no-process-group', '-s', config], {
      log,
    });
    await waitUntilReady(launched, () => answers({ host, port: PORT }));
    const bindDn = `CN=Administrator,CN=Users,${SUFFIX}`;
    const url = `ldaps://${host}:${PORT}`;
    if (isNew) {
      const env = { ...process.env, LDAPTLS_CACERT: tls.caFile };
      run('ldapmodify', ['-x', '-H', url, '-D', bindDn, '-w', PASSWORD], {
        input: `${EXCHANGE}\n${options.ldif ?? ''}`,
        env,
      });
    }
    return {
      pid: launched.pid,
      facts: {
        host,
        port: PORT,
        plainPort: PLAIN_PORT,
        config,
        url,
        domain: DOMAIN,
        shortName: SHORT_NAME,
        suffix: SUFFIX,
        adminDn: bindDn,
        password: PASSWORD,
        ...tls,
        connection: `LDAPTLS_CACERT=${tls.caFile} ldapsearch -x -H ${url} -D ${bindDn} -w ${PASSWORD} -b ${SUFFIX}`,
      },
    };
  },
};
