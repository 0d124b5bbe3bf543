import { type SpooledFacts } from '../../../src/services/intake/spool-file';

/** Facts of a message that only its gateway id tells from others. */
export function factsFor(id: string): SpooledFacts {
  const handOver = {
    sender: null,
    senderIp: '192.0.2.1',
    gatewayMessageId: id,
    node: 'mx1',
    receivedAtMs: 1_700_000_000_000,
    verdicts: [],
  };
  return { handOver, source: 'lmtp' };
}
