import type { Relay } from '../../src/services/sending/relay.js';
import { type RelaySettings } from '../../src/services/sending/relay-settings.js';
import { makeCertificates, type TestCertificates } from '../support/certificates.js';
import { message, outcomes, relayTo, startRaw, startRelay } from './start-relay.js';

describe('TLS and sign-in', () => {
  let certificates: TestCertificates;
  beforeAll(async () => {
    certificates = await makeCertificates();
  }, 60_000);
  const auth = { user: 'mailkeep', password: 'sécret' };

  it.each<RelaySettings['tls']>(['IMPLICIT', 'STARTTLS', 'OPPORTUNISTIC'])(
    'sends encrypted with %s and an own CA',
    async (tls) => {
      const { relay, server } = await startRelay(
        { tls: { ...certificates.good, implicit: tls === 'IMPLICIT' }, auth },
        { tls, ca: certificates.ca, auth },
      );
      expect(await relay.verify()).toMatchObject({
        encrypted: true,
        eightBitMime: true,
        smtpUtf8: true,
        pipelining: true,
        sizeLimitBytes: null,
      });
      expect(await outcomes(relay, message(['a@example.com']))).toEqual([['a@example.com', 'DELIVERED', '2.0.0']]);
      expect(server.received[0]).toMatchObject({ secure: true, user: 'mailkeep' });
    },
  );

  it('sends where STARTTLS is required before MAIL', async () => {
    const { relay, server } = await startRelay(
      { tls: { ...certificates.good, required: true } },
      { tls: 'STARTTLS', ca: certificates.ca },
    );
    expect(await outcomes(relay, message(['a@example.com']))).toEqual([['a@example.com', 'DELIVERED', '2.0.0']]);
    const plain = relayTo({ ...(await place(relay)), tls: 'NONE' });
    expect(await outcomes(plain, message(['a@example.com']))).toEqual([['a@example.com', 'TEMPORARY', '5.7.0']]);
    expect(server.received).toHaveLength(1);
  });

  it.each<[string, keyof Pick<TestCertificates, 'good' | 'wrongName' | 'expired'>, 'ca' | 'otherCa' | null]>([
    ['for another name', 'wrongName', 'ca'],
    ['expired', 'expired', 'ca'],
    ['of another authority', 'good', 'otherCa'],
    ['of an unknown authority', 'good', null],
  ])('sends nothing over a certificate %s', async (_case, kind, authority) => {
    for (const tls of ['IMPLICIT', 'STARTTLS'] as const) {
      const { relay, server } = await startRelay(
        { tls: { ...certificates[kind], implicit: tls === 'IMPLICIT' } },
        { tls, ...(authority ? { ca: certificates[authority] } : {}) },
      );
      expect(await relay.send(message(['a@example.com']))).toMatchObject([
        { outcome: 'TEMPORARY', reason: 'No encrypted connection to the relay came about.' },
      ]);
      await expect(relay.verify()).rejects.toMatchObject({ code: 'RELAY_TLS' });
      expect(server.received).toEqual([]);
    }
  });

  it('sends nothing when STARTTLS is required and not offered', async () => {
    const { relay, server } = await startRelay({}, { tls: 'STARTTLS' });
    expect(await outcomes(relay, message(['a@example.com']))).toMatchObject([
      ['a@example.com', 'TEMPORARY', expect.anything()],
    ]);
    expect(server.received).toEqual([]);
  });

  it('opportunistic goes on unencrypted where TLS is not offered or does not work', async () => {
    const { relay } = await startRelay({});
    expect(await outcomes(relay, message(['a@example.com']))).toEqual([['a@example.com', 'DELIVERED', '2.0.0']]);
    const broken = await startRaw({ EHLO: '250-raw.test\r\n250 STARTTLS\r\n', STARTTLS: '220 Go\r\n' });
    expect(await outcomes(broken.relay, message(['a@example.com']))).toEqual([
      ['a@example.com', 'DELIVERED', '250 Ok'],
    ]);
  });

  it('a refused sign-in is temporary, and neither answer nor reason shows the password', async () => {
    const { relay } = await startRelay({ auth }, { auth: { ...auth, password: 'wrong-pass' } });
    const results = await relay.send(message(['a@example.com']));
    expect(results).toMatchObject([
      { outcome: 'TEMPORARY', enhancedCode: '5.7.8', reason: 'The relay refused our sign-in.' },
    ]);
    expect(JSON.stringify(results)).not.toContain('wrong-pass');
    await expect(relay.verify()).rejects.toMatchObject({ code: 'RELAY_AUTH' });
  });

  it('does not send without the sign-in that is set when the relay offers none', async () => {
    const { relay, server } = await startRelay({}, { auth });
    expect(await relay.send(message(['a@example.com']))).toMatchObject([
      { outcome: 'TEMPORARY', reason: 'The relay offers no sign-in.' },
    ]);
    expect(server.received).toEqual([]);
  });

  async function place(relay: Relay) {
    const { host, port } = (relay as unknown as { settings: RelaySettings }).settings;
    return { host, port };
  }
});
