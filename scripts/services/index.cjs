'use strict';
module.exports = {
  ...require('./services.cjs'),
  ...require('./test-run.cjs'),
  freePorts: require('./processes.cjs').freePorts,
};
