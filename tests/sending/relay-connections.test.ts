import { message, outcomes, startRaw, startRelay } from './start-relay.js';

describe('connections', () => {
  it('uses at most as many as set, and each for as many messages as set', async () => {
    const { relay, server } = await startRelay({}, { connections: 3, messagesPerConnection: 4 });
    await Promise.all(Array.from({ length: 30 }, (_, index) => relay.send(message([`a${index}@example.com`]))));
    expect(server.received).toHaveLength(30);
    expect(server.connections.mostOpen).toBeLessThanOrEqual(4);
    expect(server.connections.made).toBeGreaterThanOrEqual(8);
  });

  it('sends a second message over the kept connection', async () => {
    const { relay, server } = await startRelay();
    for (let index = 0; index < 20; index += 1) await relay.send(message(['a@example.com']));
    expect(server.connections.made).toBe(1);
  });

  it('makes a new connection when the kept one was dropped meanwhile', async () => {
    const { relay, server } = await startRelay();
    await relay.send(message(['a@example.com']));
    server.dropConnections();
    expect(await outcomes(relay, message(['a@example.com']))).toEqual([['a@example.com', 'DELIVERED', '2.0.0']]);
    expect(server.received).toHaveLength(2);
    expect(server.connections.made).toBe(2);
  });

  it('makes a new connection when the kept one says 421 to the next message', async () => {
    const { relay, server } = await startRaw({ EHLO: '250 raw.test\r\n' });
    await relay.send(message(['a@example.com']));
    server.script = { EHLO: '250 raw.test\r\n', MAIL: '421 4.4.2 Idle too long\r\n' };
    const second = relay.send(message(['b@example.com']));
    // The new connection meets the same answer: then it is the answer.
    expect(await second).toMatchObject([{ outcome: 'TEMPORARY', smtpReply: '421 4.4.2 Idle too long' }]);
    expect(server.connectionsMade).toBe(2);
  });

  it('D7: sends all over the connections that the relay allows, when these are fewer than set', async () => {
    const { relay, server } = await startRelay({ maxConnections: 2 }, { connections: 5, messagesPerConnection: 3 });
    const all = Array.from({ length: 30 }, (_, index) => relay.send(message([`a${index}@example.com`])));
    expect((await Promise.all(all)).flat().filter(({ outcome }) => outcome !== 'DELIVERED')).toEqual([]);
    expect(server.received).toHaveLength(30);
  });

  it('D7: puts off at once what waits for a relay that is away, and tries again later', async () => {
    const { relay, server } = await startRaw({}, { connections: 2 }, null);
    const all = Array.from({ length: 50 }, (_, index) => relay.send(message([`a${index}@example.com`])));
    expect((await Promise.all(all)).flat().filter(({ outcome }) => outcome !== 'TEMPORARY')).toEqual([]);
    expect(server.connectionsMade).toBeLessThanOrEqual(2);
    const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 10_000);
    await relay.send(message(['b@example.com']));
    clock.mockRestore();
    expect(server.connectionsMade).toBe(3);
  });

  it('lets go of a connection that nobody uses', async () => {
    const { relay, server } = await startRaw({}, { idleMs: 1 });
    await relay.send(message(['a@example.com']));
    while (!server.lines.includes('QUIT')) await new Promise((resolve) => setImmediate(resolve));
    expect(await outcomes(relay, message(['a@example.com']))).toEqual([['a@example.com', 'DELIVERED', '250 Ok']]);
    expect(server.connectionsMade).toBe(2);
  });

  it('waits at the end for what is under way, then cuts it off and says what is known', async () => {
    let answer = () => undefined as void;
    const { relay, server } = await startRelay({}, {}, { hold: new Promise<void>((resolve) => (answer = resolve)) });
    const ended = relay.send(message(['a@example.com']));
    await server.messages(1);
    const closed = relay.close(60_000);
    await expect(relay.send(message(['b@example.com']))).rejects.toMatchObject({ code: 'STOPPING' });
    answer();
    expect(await ended).toMatchObject([{ outcome: 'DELIVERED' }]);
    await closed;

    const second = await startRelay({}, {}, { hold: new Promise<void>(() => undefined) });
    const cut = second.relay.send(message(['a@example.com']));
    await second.server.messages(1);
    await second.relay.close(0);
    expect(await cut).toMatchObject([{ outcome: 'UNKNOWN' }]);
  });
});
