'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { certificate } = require('./certificate.cjs');
const { HOST, answers, launch, run, waitUntilReady } = require('./processes.cjs');

const SCHEMAS = '/etc/ldap/schema';
const MODULES = '/usr/lib/ldap';
const ADMIN_PASSWORD = 'demo';
// What a search without paging returns at most, as Active Directory's MaxPageSize.
const SIZE_LIMIT = 1000;

const configuration = ({ folder, suffix, tls, options }) => `
${['core', 'cosine', 'inetorgperson'].map((name) => `include ${SCHEMAS}/${name}.schema`).join('\n')}
include ${path.join(__dirname, 'active-directory.schema')}
${options.schema ?? ''}
modulepath ${MODULES}
moduleload back_mdb
moduleload memberof
moduleload refint
pidfile ${folder}/slapd.pid
argsfile ${folder}/slapd.args
loglevel none
# Windows takes a name with an empty password for an anonymous bind and says success.
allow bind_anon_cred bind_anon_dn
TLSCACertificateFile ${tls.caFile}
TLSCertificateFile ${tls.certificateFile}
TLSCertificateKeyFile ${tls.keyFile}
security ssf=1
sizelimit size.soft=${SIZE_LIMIT} size.hard=${SIZE_LIMIT} size.pr=${SIZE_LIMIT} size.prtotal=unlimited

database mdb
directory ${folder}/data
maxsize 1073741824
suffix "${suffix}"
rootdn "cn=admin,${suffix}"
rootpw ${ADMIN_PASSWORD}
${['objectClass', 'uid', 'mail', 'sAMAccountName', 'userPrincipalName', 'proxyAddresses', 'entryUUID', 'modifyTimestamp', 'member', 'memberOf'].map((name) => `index ${name} eq`).join('\n')}
${options.durable ? '' : 'dbnosync'}
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
limits dn.exact="cn=admin,${suffix}" size=unlimited
overlay memberof
memberof-group-oc group
memberof-member-ad member
memberof-memberof-ad memberOf
overlay refint
refint_attributes member msExchDelegateListLink
${options.settings ?? ''}
`;

const seed = (suffix) => `dn: ${suffix}
objectClass: domain
objectClass: top
dc: ${/^dc=([^,]+)/i.exec(suffix)?.[1]}

dn: cn=synchronisation,${suffix}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: synchronisation
userPassword: ${ADMIN_PASSWORD}
`;

/** OpenLDAP with the attributes of Active Directory that Mailkeep reads, its limit of entries, and TLS only. */
module.exports = {
  name: 'slapd',
  summary: 'OpenLDAP with an Active Directory-like schema, TLS only',
  packages: ['slapd', 'ldap-utils', 'openssl'],
  programs: ['slapd', 'slapadd', 'ldapsearch', 'openssl'],
  ports: ['port', 'plainPort'],

  async start({ folder, log, ports, options }) {
    const suffix = options.suffix ?? 'dc=example,dc=com';
    const tls = certificate(path.join(folder, 'tls'));
    const config = path.join(folder, 'slapd.conf');
    fs.writeFileSync(config, configuration({ folder, suffix, tls, options }), { mode: 0o600 });
    const data = path.join(folder, 'data');
    if (!fs.existsSync(path.join(data, 'data.mdb'))) {
      fs.mkdirSync(data, { recursive: true });
      const entries = path.join(folder, 'entries.ldif');
      fs.writeFileSync(entries, `${seed(suffix)}\n${options.ldif ?? ''}`);
      run('slapadd', ['-q', '-f', config, '-l', entries]);
    }
    const urls = `ldaps://${HOST}:${ports.port} ldap://${HOST}:${ports.plainPort}`;
    // "-d 0" keeps it in the foreground.
    const launched = launch('slapd', ['-f', config, '-h', urls, '-d', '0'], { log });
    await waitUntilReady(launched, () => answers({ port: ports.port }));
    const bindDn = `cn=synchronisation,${suffix}`;
    return {
      pid: launched.pid,
      facts: {
        config,
        url: `ldaps://${HOST}:${ports.port}`,
        startTlsUrl: `ldap://${HOST}:${ports.plainPort}`,
        suffix,
        bindDn,
        adminDn: `cn=admin,${suffix}`,
        password: ADMIN_PASSWORD,
        ...tls,
        connection: `LDAPTLS_CACERT=${tls.caFile} ldapsearch -x -H ldaps://${HOST}:${ports.port} -D ${bindDn} -w ${ADMIN_PASSWORD} -b ${suffix}`,
      },
    };
  },
};
