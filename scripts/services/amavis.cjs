'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { HOST, answers, launch, run, waitUntilReady } = require('./processes.cjs');

const ACCOUNT = 'amavis';
const STOCK = ['01-debian', '20-debian_defaults', '25-amavis_helpers'].map((name) => `/etc/amavis/conf.d/${name}`);

const KINDS = { virus: 'virus', banned: 'banned', spam: 'spam', badHeader: 'bad_header' };

/** Where put-aside messages go: to a server of the caller's, or into files. */
const quarantine = ({ folder, options }) =>
  Object.values(KINDS)
    .map((kind) => {
      const method = options.quarantine
        ? `${options.quarantine.protocol ?? 'lmtp'}:[${HOST}]:${options.quarantine.port}`
        : `local:${kind}-%m`;
      const to = options.quarantine
        ? `${kind === 'bad_header' ? 'badh' : kind}-quarantine@quarantine.test`
        : `${kind}-quarantine`;
      return `$${kind === 'banned' ? 'banned_files' : kind}_quarantine_method = '${method}';\n$${kind}_quarantine_to = '${to}';\n`;
    })
    .concat(`$QUARANTINEDIR = '${folder}/work/quarantine';\n`)
    .join('');

const destinies = (destiny = {}) =>
  Object.entries({ virus: 'DISCARD', banned: 'DISCARD', spam: 'DISCARD', badHeader: 'PASS', ...destiny })
    .map(([kind, word]) => `$final_${KINDS[kind]}_destiny = D_${word};\n`)
    .join('');

const configuration = ({ folder, ports, used, options }) => `use strict;
$mydomain = 'gateway.test';
$myhostname = 'mail.gateway.test';
$X_HEADER_LINE = "Debian amavisd-new at $mydomain";
$daemon_user = '${ACCOUNT}';
$daemon_group = '${ACCOUNT}';
$MYHOME = '${folder}/work';
$TEMPBASE = '${folder}/work/tmp';
$db_home = '${folder}/work/db';
$lock_file = '${folder}/work/amavisd.lock';
$pid_file = '${folder}/work/amavisd.pid';
$quarantine_subdir_levels = 0;
$enable_db = 0;
$enable_zmq = 0;
$enable_ldap = 0;
$do_syslog = 0;
$logfile = undef;
$log_level = 1;
$max_servers = ${options.servers ?? 2};
$inet_socket_bind = '${HOST}';
$inet_socket_port = ${ports.port};
@inet_acl = qw(127.0.0.1);
@mynetworks = qw(192.0.2.0/24);
@local_domains_maps = (1);
$forward_method = ${options.forwardPort ? `'smtp:[${HOST}]:${options.forwardPort}'` : "'smtp:*:*'"};
$notify_method = $forward_method;
$virus_admin = undef;
$spam_admin = undef;
$sa_local_tests_only = 1;
$sa_tag_level_deflt = -999;
$sa_tag2_level_deflt = 6.2;
$sa_kill_level_deflt = 6.9;
$sa_dsn_cutoff_level = 0;
${destinies(options.destiny)}
${quarantine({ folder, options })}
@av_scanners = (
  ['ClamAV-clamd', \\&ask_daemon, ["CONTSCAN {}\\n", '${HOST}:${used.clamd.port}'],
   qr/\\bOK$/m, qr/\\bFOUND$/m, qr/^.*?: (?!Infected Archive)(.*) FOUND$/m],
);
@av_scanners_backup = ();
${options.config ?? ''}
1;
`;

/** amavisd with SpamAssassin (local tests only) and clamd; a content filter by SMTP. */
module.exports = {
  name: 'amavis',
  summary: 'amavisd-new with SpamAssassin and clamd',
  packages: ['amavisd-new', 'spamassassin'],
  // SpamAssassin is a module that amavisd loads; its command shows that it is there.
  programs: ['amavisd', 'spamassassin'],
  uses: ['clamd'],
  needsRoot: true,
  otherUser: true,
  ports: ['port'],

  async start({ folder, log, ports, options, used }) {
    const work = path.join(folder, 'work');
    for (const name of ['tmp', 'db', 'quarantine']) fs.mkdirSync(path.join(work, name), { recursive: true });
    run('chown', ['-R', `${ACCOUNT}:${ACCOUNT}`, work]);
    // amavisd refuses a configuration that its own account could change.
    const config = path.join(folder, 'amavisd.conf');
    fs.writeFileSync(config, configuration({ folder, ports, used, options }), { mode: 0o644 });
    const files = [...STOCK.filter((file) => fs.existsSync(file)), config];
    const launched = launch('amavisd', [...files.flatMap((file) => ['-c', file]), 'foreground'], { log, cwd: folder });
    await waitUntilReady(launched, () => answers({ port: ports.port, expect: /^220 / }), 60_000);
    return {
      pid: launched.pid,
      facts: {
        config,
        quarantine: path.join(work, 'quarantine'),
        connection: `smtp://${HOST}:${ports.port} (forwards to ${options.forwardPort ? `port ${options.forwardPort}` : 'the port above'})`,
      },
    };
  },
};
