import { BadInputError } from '../../src/errors.js';
import {
  checkAddress,
  headerAddress,
  needsSmtpUtf8,
  newMessageId,
} from '../../src/services/sending/envelope-address.js';

describe('addresses', () => {
  it.each([
    'anna@example.com',
    'a.b+tag@sub.example.com',
    "o'brien@example.com",
    '"anna b"@example.com',
    '"a\\"b"@example.com',
    'postmaster@[192.0.2.1]',
    'postmaster@[IPv6:2001:db8::1]',
    'service_account@host_name.example',
    'user@123',
    'jörg@bücher.example',
    '李@例え.jp',
    `${'x'.repeat(64)}@${`${'d'.repeat(62)}.`.repeat(3)}example`,
  ])('takes %s', (address) => {
    expect(checkAddress('to', address)).toBe(address);
  });

  it.each([
    '',
    'anna',
    '@example.com',
    'anna@',
    'anna@example.com ',
    ' anna@example.com',
    'anna b@example.com',
    'anna@example.com\r\nDATA',
    'anna@example.com\n',
    'anna\r@example.com',
    'anna\0@example.com',
    'anna\u0085@example.com',
    'anna\u2028@example.com',
    'anna> NOTIFY=NEVER@example.com',
    '<anna@example.com>',
    '"anna> "@example.com',
    '"anna\r\nRSET"@example.com',
    '"anna"b"@example.com',
    'anna@exa mple.com',
    'anna@example..com',
    'anna@-example.com',
    'anna@example.com> SIZE=1',
    'anna,boris@example.com',
    'anna@example.com,boris@example.com',
    'anna..b@example.com',
    'Anna <anna@example.com>',
    'anna@[127.0.0.1]\r\n',
    'anna@xn--ü.example',
    `${'x'.repeat(310)}@example.com`,
    `a@${'b'.repeat(100_000)}`,
  ])('refuses %j and names the field', (address) => {
    expect(() => checkAddress('recipients', address)).toThrow(BadInputError);
    try {
      checkAddress('recipients', address);
    } catch (error) {
      expect((error as BadInputError).details).toEqual({ field: 'recipients' });
      // Nothing of the address gets into logs.
      expect((error as BadInputError).message).not.toContain('anna');
    }
  });

  it('writes an international domain in ASCII where that spares SMTPUTF8', () => {
    expect(headerAddress('joerg@bücher.example')).toBe('joerg@xn--bcher-kva.example');
    expect(headerAddress('jörg@bücher.example')).toBe('jörg@bücher.example');
    expect(headerAddress('user@123')).toBe('user@123');
    expect([needsSmtpUtf8('jörg@example.com'), needsSmtpUtf8('joerg@bücher.example')]).toEqual([true, false]);
  });

  it('makes message ids in the sender’s domain, each once', () => {
    expect(newMessageId('backup@bücher.example')).toMatch(/^<[0-9a-f-]{36}@xn--bcher-kva\.example>$/);
    expect(newMessageId('a@b.c')).not.toBe(newMessageId('a@b.c'));
  });
});
