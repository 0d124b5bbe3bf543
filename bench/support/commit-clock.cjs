'use strict';
// node --require, before the product: notes when each message was committed. Linux' monotonic clock is one for all
// processes, so the client can compare these moments with its own.
const { join } = require('node:path');
const { ChangeFeed } = require(join(__dirname, '..', '..', 'dist', 'services', 'changes', 'change-feed.js'));

const commits = [];
const { append } = ChangeFeed.prototype;
ChangeFeed.prototype.append = function appendAndNote(transaction, changes) {
  const messageIds = changes.filter(({ recipient }) => recipient !== undefined).map(({ messageId }) => messageId);
  transaction.afterCommit(() => {
    const at = process.hrtime.bigint();
    for (const messageId of messageIds) commits.push([messageId, at]);
  });
  return append.call(this, transaction, changes);
};
// Only on demand: sending each at once would take time from what is measured.
process.on('message', (question) => {
  if (question === 'commits') process.send(commits.splice(0));
  if (question === 'gc') {
    global.gc?.();
    process.send('done');
  }
});
process.channel?.unref();
