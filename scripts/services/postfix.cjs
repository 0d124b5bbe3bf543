'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { HOST, answers, run, waitUntilReady } = require('./processes.cjs');

// virtual(8) refuses to deliver as root.
const NOBODY = 65534;

const parameters = (values) =>
  Object.entries(values)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('');

const daemons = [
  'pickup unix n - n 60 1 pickup',
  'cleanup unix n - n - 0 cleanup',
  'qmgr unix n - n 300 1 qmgr',
  'tlsmgr unix - - n 1000? 1 tlsmgr',
  'rewrite unix - - n - - trivial-rewrite',
  'bounce unix - - n - 0 bounce',
  'defer unix - - n - 0 bounce',
  'trace unix - - n - 0 bounce',
  'verify unix - - n - 1 verify',
  'flush unix n - n 1000? 0 flush',
  'proxymap unix - - n - - proxymap',
  'proxywrite unix - - n - 1 proxymap',
  'smtp unix - - n - - smtp',
  'relay unix - - n - - smtp',
  'showq unix n - n - - showq',
  'error unix - - n - - error',
  'retry unix - - n - - error',
  'discard unix - - n - - discard',
  'virtual unix - n n - - virtual',
  'lmtp unix - - n - - lmtp',
  'anvil unix - - n - 1 anvil',
  'scache unix - - n - 1 scache',
  'postlog unix-dgram n - n - 1 postlogd',
];

/** Addresses that the relay refuses, for good and for now, whatever their domain. */
const REFUSALS = '/^refused@/ 550 5.1.1 No such mailbox\n/^busy@/ 450 4.2.1 Mailbox busy, try again later\n';

/** Where accepted mail goes: into a Maildir, or on to another server by SMTP or LMTP. */
function delivery({ mail, options }) {
  if (options.next) {
    const { protocol = 'smtp', port } = options.next;
    return {
      default_transport: `${protocol}:[${HOST}]:${port}`,
      smtpd_relay_restrictions: 'permit_mynetworks, reject',
    };
  }
  return {
    virtual_mailbox_domains: 'static:all',
    virtual_mailbox_base: mail,
    // virtual(8) allows no substitution from an address, so all mail shares one Maildir; Delivered-To tells it apart.
    virtual_mailbox_maps: 'static:inbox/',
    virtual_uid_maps: `static:${NOBODY}`,
    virtual_gid_maps: `static:${NOBODY}`,
    virtual_mailbox_limit: 0,
  };
}

/** Postfix as a relay that takes mail for every domain; a second port takes it back from a content filter. */
module.exports = {
  name: 'postfix',
  summary: 'Postfix, a relay that delivers into a Maildir',
  packages: ['postfix'],
  programs: ['postfix', 'postconf'],
  needsRoot: true,
  otherUser: true,
  ports: ['port', 'filteredPort'],
  graceMs: 15_000,

  async start({ folder, log, ports, options }) {
    const [config, queue, state, mail] = ['etc', 'queue', 'state', 'mail'].map((name) => path.join(folder, name));
    for (const directory of [config, queue, state, mail]) fs.mkdirSync(directory, { recursive: true, mode: 0o755 });
    run('chown', ['postfix', state]);
    for (const name of ['', 'inbox', 'inbox/new', 'inbox/cur', 'inbox/tmp']) {
      fs.mkdirSync(path.join(mail, name), { recursive: true });
      fs.chownSync(path.join(mail, name), NOBODY, NOBODY);
    }
    fs.writeFileSync(path.join(config, 'recipients'), REFUSALS);
    const settings = {
      compatibility_level: '3.6',
      myhostname: 'relay.test',
      mydestination: '',
      mynetworks: '127.0.0.0/8',
      inet_interfaces: HOST,
      inet_protocols: 'ipv4',
      queue_directory: queue,
      data_directory: state,
      maillog_file: log,
      maillog_file_prefixes: folder,
      disable_dns_lookups: 'yes',
      smtp_host_lookup: 'native',
      // Takes every client for a stranger: adds no Message-ID, Date or From to what lacks them.
      local_header_rewrite_clients: '',
      in_flow_delay: 0,
      smtpd_client_connection_count_limit: 0,
      message_size_limit: options.messageSizeBytes ?? 209_715_200,
      smtpd_recipient_restrictions: `check_recipient_access regexp:${config}/recipients, permit_mynetworks, reject`,
      ...delivery({ mail, options }),
      ...(options.milterPort
        ? { smtpd_milters: `inet:${HOST}:${options.milterPort}`, milter_default_action: 'tempfail' }
        : {}),
      ...(options.contentFilterPort ? { content_filter: `smtp:[${HOST}]:${options.contentFilterPort}` } : {}),
      ...options.settings,
    };
    fs.writeFileSync(path.join(config, 'main.cf'), parameters(settings));
    const doors = [
      `${HOST}:${ports.port} inet n - n - - smtpd`,
      `${HOST}:${ports.filteredPort} inet n - n - - smtpd -o content_filter= -o smtpd_milters=`,
    ];
    fs.writeFileSync(path.join(config, 'master.cf'), [...doors, ...daemons, options.daemons ?? '', ''].join('\n'));
    run('postfix', ['-c', config, 'start']);
    const launched = {
      program: 'postfix',
      pid: Number(fs.readFileSync(path.join(queue, 'pid', 'master.pid'), 'utf8')),
      log,
    };
    await waitUntilReady(launched, () => answers({ port: ports.port, expect: /^220 / }));
    return {
      pid: launched.pid,
      facts: {
        config,
        mail: path.join(mail, 'inbox', 'new'),
        connection: `smtp://${HOST}:${ports.port} (delivers to ${path.join(mail, 'inbox', 'new')})`,
      },
    };
  },
};
