import { outcomeOf, SendingState } from '../../src/services/sending/operation.js';

const { QUEUED, SENDING, DELIVERED, FAILED, UNKNOWN, CANCELLED } = SendingState;

// A message's outcome by its deliveries: state and attempts of each.
it.each<[string, [SendingState, number][]]>([
  ['PENDING', [[QUEUED, 0]]],
  ['PENDING', [[SENDING, 0]]],
  [
    'PENDING',
    [
      [DELIVERED, 1],
      [QUEUED, 0],
    ],
  ],
  [
    'PENDING',
    [
      [FAILED, 1],
      [SENDING, 0],
    ],
  ],
  ['DONE', [[DELIVERED, 1]]],
  [
    'DONE',
    [
      [DELIVERED, 3],
      [DELIVERED, 1],
    ],
  ],
  [
    'DEFERRED',
    [
      [QUEUED, 1],
      [DELIVERED, 1],
    ],
  ],
  // The next attempt is under way: once tried, a message does not become untried again.
  [
    'DEFERRED',
    [
      [SENDING, 1],
      [DELIVERED, 1],
    ],
  ],
  [
    'FAILED',
    [
      [SENDING, 1],
      [FAILED, 1],
    ],
  ],
  [
    'FAILED',
    [
      [QUEUED, 2],
      [FAILED, 1],
      [CANCELLED, 0],
    ],
  ],
  [
    'UNKNOWN',
    [
      [FAILED, 1],
      [UNKNOWN, 1],
      [DELIVERED, 1],
    ],
  ],
  [
    'CANCELLED',
    [
      [CANCELLED, 0],
      [DELIVERED, 1],
    ],
  ],
])('D8: %s for %j', (expected, deliveries) => {
  const facts = deliveries.map(([state, attempts]) => ({ state, attempts, smtpReply: null, reason: null }));
  expect(outcomeOf(facts).outcome).toBe(expected);
});
