'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { HOST, answers, launch, waitUntilReady } = require('./processes.cjs');

// The EICAR test file by its bytes; in clear text every virus scanner on the way would take this file for it.
const EICAR = [
  '58354f2150254041505b345c505a58353428505e2937434329377d24',
  '45494341522d5354414e444152442d414e544956495255532d544553542d46494c45',
  '2124482b482a',
].join('');

// name:target type:offset:bytes
const SIGNATURES = `Eicar-Test-Signature:0:*:${EICAR}\n`;

// Stands in for a macro document: any container that holds a Visual Basic project.
// name:container:container size:file name:size packed:size:encrypted:position:crc:reserved
const CONTAINERS = 'Test.Office.MacroDocument:*:*:vbaProject\\.bin:*:*:*:*:*:*\n';

/** ClamAV's daemon with signatures of our own, so that nothing has to be downloaded. */
module.exports = {
  name: 'clamd',
  summary: 'clamd with test signatures (EICAR, macro documents)',
  packages: ['clamav-daemon'],
  programs: ['clamd'],
  // amavis scans its own folder through it, rspamd sends the bytes.
  ports: ['port'],

  async start({ folder, log, ports, options }) {
    const signatures = path.join(folder, 'signatures');
    fs.mkdirSync(signatures, { recursive: true });
    fs.writeFileSync(path.join(signatures, 'own.ndb'), SIGNATURES);
    fs.writeFileSync(path.join(signatures, 'own.cdb'), CONTAINERS);
    const config = path.join(folder, 'clamd.conf');
    const settings = [
      'Foreground yes',
      `DatabaseDirectory ${signatures}`,
      `TCPAddr ${HOST}`,
      `TCPSocket ${ports.port}`,
      `TemporaryDirectory ${folder}`,
      'OfficialDatabaseOnly no',
      'StreamMaxLength 200M',
      'AlertOLE2Macros yes',
      'AlertEncryptedArchive yes',
      'SelfCheck 86400',
      ...(options.settings ?? []),
    ];
    fs.writeFileSync(config, `${settings.join('\n')}\n`);
    const launched = launch('clamd', ['-c', config], { log });
    await waitUntilReady(launched, () => answers({ port: ports.port, send: 'zPING\0', expect: /PONG/ }), 60_000);
    return { pid: launched.pid, facts: { config, connection: `clamdscan --config-file=${config} --stream FILE` } };
  },
};
