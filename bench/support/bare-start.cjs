'use strict';
// The least that a server on this machine can be: Node itself and one listening socket.
const server = require('node:http').createServer((_request, response) => response.end());
server.listen(0, '127.0.0.1', () => console.log(`{"port":${server.address().port},"msg":"listening"}`));
process.on('SIGTERM', () => process.exit(0));
