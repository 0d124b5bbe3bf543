import { mailboxKey, mailboxNeedle } from '../../src/entities/mailbox-key.js';

it.each([
  ['Anna@Example.COM', 'anna@example.com'],
  ['  <anna@example.com> ', 'anna@example.com'],
  ['jo\u0308rg@example.com', 'jörg@example.com'],
  ['anna@bücher.example', 'anna@bücher.example'],
  ['anna@BU\u0308CHER.example', 'anna@bücher.example'],
  ['anna@XN--BCHER-KVA.example', 'anna@bücher.example'],
  ['anna@[192.0.2.1]', 'anna@[192.0.2.1]'],
  ['anna@xn--ü.example', 'anna@xn--ü.example'],
  ['"a@b"@example.com', '"a@b"@example.com'],
  ['no address', 'no address'],
  ['', ''],
  ['@', '@'],
])('V5: %j is compared as %j', (address, key) => {
  expect(mailboxKey(address)).toBe(key);
  expect(mailboxKey(key)).toBe(key);
});

it('never gives more characters than an index holds', () => {
  for (const address of ['x'.repeat(1000), `${'x'.repeat(400)}@example.com`, `a@${'ü'.repeat(1000)}.example`])
    expect(mailboxKey(address).length).toBeLessThanOrEqual(320);
});

it.each(['bücher', 'BÜCH', 'xn--bcher-kva', 'XN--BCHER-KVA.ex', 'anna@bü', 'anna@xn--bcher-kva.example'])(
  'finds Anna@Bücher.Example by %j',
  (part) => {
    expect(mailboxKey('Anna@Bücher.Example')).toContain(mailboxNeedle(part));
  },
);
