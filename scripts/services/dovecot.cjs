'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { HOST, answers, launch, waitUntilReady } = require('./processes.cjs');

const NOBODY = 65534;
const PASSWORD = 'demo';

const configuration = ({ folder, sockets, log, ports }) => `
protocols = imap lmtp
listen = ${HOST}
base_dir = ${sockets}/dovecot
state_dir = ${folder}/state
log_path = ${log}
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
first_valid_uid = 1
passdb {
  driver = static
  args = password=${PASSWORD}
}
userdb {
  driver = static
  args = uid=${NOBODY} gid=${NOBODY} home=${folder}/mail/%d/%n allow_all_users=yes
}
service imap-login {
  inet_listener imap {
    port = ${ports.port}
  }
  inet_listener imaps {
    port = 0
  }
}
service lmtp {
  inet_listener lmtp {
    address = ${HOST}
    port = ${ports.lmtpPort}
  }
}
`;

/** Dovecot with a mailbox for whoever is named: mail comes in by LMTP and is read by IMAP. */
module.exports = {
  name: 'dovecot',
  summary: 'Dovecot, mailboxes by LMTP and IMAP',
  packages: ['dovecot-imapd', 'dovecot-lmtpd'],
  programs: ['dovecot', '/usr/lib/dovecot/imap', '/usr/lib/dovecot/lmtp'],
  needsRoot: true,
  otherUser: true,
  ports: ['port', 'lmtpPort'],

  async start({ folder, sockets, log, ports }) {
    fs.mkdirSync(path.join(folder, 'mail'), { recursive: true });
    fs.chownSync(path.join(folder, 'mail'), NOBODY, NOBODY);
    const config = path.join(folder, 'dovecot.conf');
    fs.writeFileSync(config, configuration({ folder, sockets, log, ports }));
    const launched = launch('dovecot', ['-F', '-c', config], { log });
    await waitUntilReady(launched, async () => {
      const ready = await Promise.all([
        answers({ port: ports.port, expect: /^\* OK/ }),
        answers({ port: ports.lmtpPort, expect: /^220 / }),
      ]);
      return ready.every(Boolean);
    });
    return {
      pid: launched.pid,
      facts: {
        config,
        password: PASSWORD,
        mail: path.join(folder, 'mail'),
        connection: `imap://${HOST}:${ports.port} (any address, password ${PASSWORD}); lmtp://${HOST}:${ports.lmtpPort}`,
      },
    };
  },
};
