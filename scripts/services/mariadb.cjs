'use strict';
const { randomBytes } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { HOST, answers, launch, run, waitUntilReady } = require('./processes.cjs');

const USER = 'mailkeep';
const DATABASE = 'mailkeep';

/** MariaDB with one account that may do everything, so that tests can create and drop databases of their own. */
module.exports = {
  name: 'mariadb',
  summary: 'MariaDB, the database server',
  packages: ['mariadb-server'],
  programs: ['mariadbd', 'mariadb-install-db'],
  ports: ['port'],

  async start({ folder, sockets, log, ports, options, previous }) {
    const data = path.join(folder, 'data');
    // The server refuses to run as root unless told so by name.
    const account = process.getuid?.() === 0 ? ['--user=root'] : [];
    // A starting server clears what looks like its own in the folder for temporary tables, so no two may share one.
    const temporary = path.join(folder, 'tmp');
    fs.mkdirSync(temporary, { recursive: true });
    if (!fs.existsSync(path.join(data, 'mysql'))) {
      fs.rmSync(data, { recursive: true, force: true });
      run('mariadb-install-db', [
        '--no-defaults',
        '--auth-root-authentication-method=normal',
        '--skip-test-db',
        `--datadir=${data}`,
        `--tmpdir=${temporary}`,
        ...account,
      ]);
    }
    const password = previous?.password ?? randomBytes(12).toString('hex');
    const init = path.join(folder, 'init.sql');
    fs.writeFileSync(
      init,
      [
        `CREATE USER IF NOT EXISTS '${USER}'@'${HOST}' IDENTIFIED BY '${password}';`,
        `GRANT ALL ON *.* TO '${USER}'@'${HOST}' WITH GRANT OPTION;`,
        `CREATE DATABASE IF NOT EXISTS ${DATABASE} CHARACTER SET utf8mb4;`,
        `DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost';`,
        'FLUSH PRIVILEGES;',
        '',
      ].join('\n'),
      { mode: 0o600 },
    );
    const speed = options.durable
      ? ['--innodb-flush-log-at-trx-commit=1']
      : ['--innodb-flush-log-at-trx-commit=2', '--innodb-doublewrite=0', '--innodb-log-file-size=48M'];
    const launched = launch(
      'mariadbd',
      [
        '--no-defaults',
        ...account,
        `--datadir=${data}`,
        `--tmpdir=${temporary}`,
        `--socket=${path.join(sockets, 'mariadb.sock')}`,
        `--port=${ports.port}`,
        `--bind-address=${HOST}`,
        '--skip-name-resolve',
        '--skip-log-bin',
        '--performance-schema=OFF',
        '--max-connections=500',
        '--character-set-server=utf8mb4',
        `--innodb-buffer-pool-size=${options.bufferPoolMiB ?? 128}M`,
        `--init-file=${init}`,
        ...speed,
        ...(options.settings ?? []),
      ],
      { log },
    );
    // The greeting carries the version; before the init file is done nobody is let in.
    await waitUntilReady(launched, () => answers({ port: ports.port, expect: /MariaDB/ }), 60_000);
    return {
      pid: launched.pid,
      facts: {
        user: USER,
        password,
        database: DATABASE,
        url: `mysql://${USER}:${password}@${HOST}:${ports.port}/${DATABASE}`,
        connection: `mysql://${USER}:${password}@${HOST}:${ports.port}/${DATABASE}`,
      },
    };
  },
};
