import { type SpooledFacts } from '../../../src/services/intake/spool-file';
import type { SpooledMessage, StoreResult, StoreTogether } from '../../../src/services/intake/spool-settings';

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

/** Stores one message after the other, and stops at the first that cannot be; nothing said means stored. */
export function oneByOne(store: (message: SpooledMessage) => Promise<StoreResult | void>): StoreTogether {
  return async (messages) => {
    const results: StoreResult[] = [];
    try {
      for (const message of messages) results.push((await store(message)) ?? 'STORED');
      return { results };
    } catch (error) {
      return { results, error };
    }
  };
}
