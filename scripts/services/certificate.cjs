'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { HOST, run } = require('./processes.cjs');

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Makes a certificate authority and a certificate for an address of this machine and localhost, unless the folder has them already. */
function certificate(folder, address = HOST) {
  const file = (name) => path.join(folder, name);
  const files = { caFile: file('ca.pem'), certificateFile: file('server.pem'), keyFile: file('server.key') };
  if (fs.existsSync(files.certificateFile)) return files;
  fs.mkdirSync(folder, { recursive: true });
  const openssl = (...args) => run('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  openssl(
    'req',
    '-x509',
    ...KEY,
    '-days',
    '3650',
    '-subj',
    '/CN=Mailkeep test authority',
    '-keyout',
    file('ca.key'),
    '-out',
    files.caFile,
  );
  openssl('req', ...KEY, '-subj', '/CN=localhost', '-keyout', files.keyFile, '-out', file('server.csr'));
  fs.writeFileSync(file('names'), `subjectAltName=IP:${address},DNS:localhost\nextendedKeyUsage=serverAuth\n`);
  const authority = ['-CA', files.caFile, '-CAkey', file('ca.key'), '-CAcreateserial'];
  openssl(
    'x509',
    '-req',
    '-in',
    file('server.csr'),
    ...authority,
    '-days',
    '3650',
    '-extfile',
    file('names'),
    '-out',
    files.certificateFile,
  );
  return files;
}

module.exports = { certificate };
