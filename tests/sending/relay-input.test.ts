import { BadInputError } from '../../src/errors.js';
import { Relay } from '../../src/services/sending/relay.js';
import {
  RELAY_DEFAULTS,
  RelayNotConfiguredError,
  type RelaySettings,
} from '../../src/services/sending/relay-settings.js';
import { MESSAGE, message, startRelay } from './start-relay.js';

describe('input', () => {
  it('says at once that no relay is configured', async () => {
    const relay = new Relay(null);
    expect(relay.configured).toBe(false);
    await expect(relay.send(message(['a@example.com']))).rejects.toThrow(RelayNotConfiguredError);
    await expect(relay.verify()).rejects.toThrow(RelayNotConfiguredError);
    await relay.close();
  });

  it.each([
    'a@example.com\r\nRCPT TO:<b@example.com>',
    'a@example.com\0',
    'a@example.com> X',
    `${'x'.repeat(320)}@example.com`,
  ])('refuses an address that could carry commands, before connecting: %j', async (address) => {
    const { relay, server } = await startRelay();
    await expect(relay.send(message(['b@example.com', address]))).rejects.toThrow(BadInputError);
    await expect(
      relay.send(message(['b@example.com'], MESSAGE, { envelope: { from: address, to: ['b@example.com'] } })),
    ).rejects.toThrow(BadInputError);
    expect(server.connections.made).toBe(0);
  });

  it('refuses a message to nobody or to more than 1,000', async () => {
    const { relay } = await startRelay();
    await expect(relay.send(message([]))).rejects.toThrow(BadInputError);
    await expect(
      relay.send(message(Array.from({ length: 1001 }, (_, index) => `a${index}@example.com`))),
    ).rejects.toThrow(BadInputError);
  });

  it('sends to 1,000 addresses in one transaction', async () => {
    const { relay, server } = await startRelay({}, {}, { rcpt: { 'a500@example.com': '550 5.1.1 No' } });
    const results = await relay.send(message(Array.from({ length: 1000 }, (_, index) => `a${index}@example.com`)));
    expect(results.filter((result) => result.outcome !== 'DELIVERED').map((result) => result.address)).toEqual([
      'a500@example.com',
    ]);
    expect(server.received[0]?.to).toHaveLength(999);
  });

  it.each<[string, Partial<RelaySettings>]>([
    ['host', { host: '' }],
    ['host', { host: 'a b' }],
    ['port', { port: 0 }],
    ['connections', { connections: 0 }],
    ['clientName', { clientName: 'a\r\nMAIL' }],
    ['tls', { host: 'relay.example.com', auth: { user: 'u', password: 'p' } }],
    ['tls', { host: 'relay.example.com', tls: 'NONE', auth: { user: 'u', password: 'p' } }],
    ['auth', { tls: 'STARTTLS', auth: { user: 'u', password: '' } }],
  ])('refuses settings that cannot work or give the password away: %s %j', (field, settings) => {
    expect(() => new Relay({ ...RELAY_DEFAULTS, host: 'relay.example.com', port: 25, ...settings })).toThrow(
      expect.objectContaining({ details: { field } }) as Error,
    );
  });
});
