'use strict';
const { HOST, answers, launch, waitUntilReady } = require('./processes.cjs');

/** Redis, in memory only. */
module.exports = {
  name: 'redis',
  summary: 'Redis, in memory only',
  packages: ['redis-server'],
  programs: ['redis-server'],
  ports: ['port'],

  async start({ folder, log, ports }) {
    const settings = { port: ports.port, bind: HOST, dir: folder, save: '', appendonly: 'no', daemonize: 'no' };
    const launched = launch(
      'redis-server',
      Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]),
      { log },
    );
    await waitUntilReady(launched, () => answers({ port: ports.port, send: 'PING\r\n', expect: /\+PONG/ }));
    return { pid: launched.pid, facts: { connection: `redis://${HOST}:${ports.port}` } };
  },
};
