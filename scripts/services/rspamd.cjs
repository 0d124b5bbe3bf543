'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { HOST, answers, findProgram, launch, run, waitUntilReady } = require('./processes.cjs');

const STOCK = '/etc/rspamd';
const ACCOUNT = '_rspamd';

// They ask DNS or other servers of the network, or need a database.
const SWITCHED_OFF = [
  ...[
    'arc',
    'asn',
    'bimi',
    'dcc',
    'dkim',
    'dkim_signing',
    'dmarc',
    'fuzzy_check',
    'greylist',
    'history_redis',
    'mx_check',
    'neural',
  ],
  ...[
    'p0f',
    'phishing',
    'ratelimit',
    'rbl',
    'replies',
    'reputation',
    'rspamd_update',
    'spf',
    'surbl',
    'url_redirector',
  ],
];

// A score by order of the message itself: header "X-Test-Score: 20".
const TEST_RULE = `
rspamd_config.TEST_SCORE = {
  callback = function(task)
    local score = tonumber(task:get_header('X-Test-Score') or '')
    if score then return true, score end
    return false
  end,
  score = 1.0,
  one_shot = true,
  description = 'Score that the message asks for',
  group = 'test',
}
`;

const antivirus = (port) => `
clamav {
  type = "clamav";
  symbol = "CLAM_VIRUS";
  servers = "${HOST}:${port}";
  scan_mime_parts = false;
  max_size = 200000000;
  action = "reject";
}
`;

/** Files below local.d and beside it; those of the options are laid over ours. */
const localFiles = ({ folder, ports, used, options }) => ({
  ...Object.fromEntries(SWITCHED_OFF.map((module) => [`local.d/${module}.conf`, 'enabled = false;\n'])),
  'local.d/options.inc': `
url_tld = "${folder}/etc/top-level-domains.txt";
tempdir = "${folder}/db";
control_socket = "${folder}/db/c.sock mode=0600";
dns { nameserver = ["${HOST}:9"]; timeout = 0.1s; retransmits = 1; }
`,
  'local.d/logging.inc': 'type = "console";\nlevel = "info";\ncolor = false;\n',
  'local.d/worker-normal.inc': `bind_socket = "${HOST}:${ports.port}";\ncount = 1;\n`,
  'local.d/worker-controller.inc': `bind_socket = "${HOST}:${ports.controllerPort}";\n`,
  'local.d/worker-proxy.inc': `
bind_socket = "${HOST}:${ports.milterPort}";
upstream "local" { default = yes; self_scan = yes; }
`,
  'local.d/classifier-bayes.conf': 'enabled = false;\n',
  'local.d/antivirus.conf': antivirus(used.clamd.port),
  'rspamd.local.lua': TEST_RULE,
  'top-level-domains.txt': 'com\norg\nnet\ntest\nexample\n',
  ...options.files,
});

/** rspamd with Debian's configuration and without network; scans by HTTP and as a milter, viruses by clamd. */
module.exports = {
  name: 'rspamd',
  summary: 'rspamd, scanner and milter',
  packages: ['rspamd'],
  programs: ['rspamd', 'rspamc'],
  uses: ['clamd'],
  otherUser: true,
  ports: ['port', 'controllerPort', 'milterPort'],

  async start({ folder, log, ports, options, used }) {
    const config = path.join(folder, 'etc');
    const data = path.join(folder, 'db');
    fs.rmSync(config, { recursive: true, force: true });
    fs.cpSync(STOCK, config, { recursive: true });
    fs.mkdirSync(data, { recursive: true });
    for (const [name, text] of Object.entries(localFiles({ folder, ports, used, options }))) {
      fs.mkdirSync(path.dirname(path.join(config, name)), { recursive: true });
      fs.writeFileSync(path.join(config, name), text);
    }
    const isRoot = process.getuid?.() === 0;
    if (isRoot) run('chown', ['-R', ACCOUNT, data]);
    const variables = { CONFDIR: config, LOCAL_CONFDIR: config, DBDIR: data, RUNDIR: data, LOGDIR: data };
    const launched = launch(
      'rspamd',
      [
        '--no-fork',
        `--config=${config}/rspamd.conf`,
        ...Object.entries(variables).map(([name, value]) => `--var=${name}=${value}`),
        ...(isRoot ? [`--user=${ACCOUNT}`, `--group=${ACCOUNT}`] : []),
      ],
      { log },
    );
    await waitUntilReady(launched, async () => {
      const ready = await Promise.all([
        answers({ port: ports.port, send: 'GET /ping HTTP/1.0\r\n\r\n', expect: /pong/ }),
        answers({ port: ports.milterPort }),
      ]);
      return ready.every(Boolean);
    });
    return {
      pid: launched.pid,
      facts: {
        config,
        connection: `${findProgram('rspamc')} -h ${HOST}:${ports.port} FILE (milter: inet:${HOST}:${ports.milterPort})`,
      },
    };
  },
};
