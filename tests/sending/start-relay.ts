import { type OutgoingMessage, Relay } from '../../src/services/sending/relay.js';
import { RELAY_DEFAULTS, type RelaySettings } from '../../src/services/sending/relay-settings.js';
import { type RelayScript, ScriptedRelay, type ScriptedRelayOptions } from '../support/scripted-relay.js';
import { bytes, inPieces } from './byte-source.js';
import { RawRelay, type RawScript } from './raw-relay.js';

/** A small message. */
export const MESSAGE = bytes('From: a@example.com\r\nSubject: x\r\n\r\nHello\r\n');

/** A message to these recipients. */
export const message = (
  to: readonly string[],
  content = MESSAGE,
  more: Partial<OutgoingMessage> = {},
): OutgoingMessage => ({
  envelope: { from: 'backup@example.com', to },
  size: content.length,
  open: () => inPieces(content),
  ...more,
});

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A scripted relay and a client of it; both end with the test. */
export async function startRelay(
  options: ScriptedRelayOptions = {},
  settings: Partial<RelaySettings> = {},
  script: RelayScript = {},
) {
  const server = new ScriptedRelay(options);
  server.script = script;
  const place = await server.start();
  ends.push(() => server.stop());
  return { server, relay: relayTo({ ...place, protocol: options.lmtp ? 'LMTP' : 'SMTP', ...settings }) };
}

/** A raw relay and a client of it; both end with the test. */
export async function startRaw(script: RawScript, settings: Partial<RelaySettings> = {}, greeting?: string | null) {
  const server = new RawRelay(script, greeting);
  const place = await server.start();
  ends.push(() => server.stop());
  return { server, relay: relayTo({ ...place, ...settings }) };
}

/** A client that ends with the test. */
export function relayTo(settings: Partial<RelaySettings> & { host: string; port: number }): Relay {
  const relay = new Relay({ ...RELAY_DEFAULTS, ...settings });
  ends.push(() => relay.close(0));
  return relay;
}

/** Address, outcome and enhanced code (or else the answer) of each recipient. */
export const outcomes = async (relay: Relay, outgoing: OutgoingMessage) =>
  (await relay.send(outgoing)).map((result) => [
    result.address,
    result.outcome,
    result.enhancedCode ?? result.smtpReply,
  ]);
