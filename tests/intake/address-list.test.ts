import { MAX_LISTED_ADDRESSES, parseAddressList } from '../../src/services/intake/address-list.js';

/** Raw header bytes as the parser wants them: one character for each byte. */
const raw = (text: string, encoding: BufferEncoding = 'utf8'): string => Buffer.from(text, encoding).toString('latin1');

describe('parseAddressList', () => {
  it.each<[string, string, string[]]>([
    ['a bare address', 'anna@example.com', ['anna@example.com']],
    ['a name and an address', 'Anna Example <anna@example.com>', ['anna@example.com']],
    [
      'a comma inside a quoted name',
      '"Example, Anna" <anna@example.com>, boris@example.com',
      ['anna@example.com', 'boris@example.com'],
    ],
    ['an escaped quote inside a name', '"Anna \\"A\\" <x@example.org>" <anna@example.com>', ['anna@example.com']],
    ['an address as quoted name', '"boris@example.com" <anna@example.com>', ['anna@example.com']],
    ['an address as bare name', 'boris@example.com <anna@example.com>', ['anna@example.com']],
    [
      'a group',
      'Team: anna@example.com, Boris <boris@example.com>;, clara@example.com',
      ['anna@example.com', 'boris@example.com', 'clara@example.com'],
    ],
    ['an empty group', 'undisclosed-recipients:;', []],
    ['groups inside each other', 'A: B: anna@example.com;;', ['anna@example.com']],
    ['a comment with an address', 'anna@example.com (not boris@example.com)', ['anna@example.com']],
    ['nested comments', '(a (b) c) anna(x(y)z)@example.com', ['anna@example.com']],
    [
      'a comment that never closes',
      'anna@example.com (oops, boris@example.com',
      ['anna@example.com', 'boris@example.com'],
    ],
    ['an encoded name with a comma in it', '=?UTF-8?Q?M=C3=BCller=2C_Anna?= <anna@example.com>', ['anna@example.com']],
    ['an encoded address, against the rules', '=?utf-8?q?anna=40example.com?=', ['anna@example.com']],
    ['an encoded mailbox', '=?utf-8?B?QW5uYSA8YW5uYUBleGFtcGxlLmNvbT4=?=', ['anna@example.com']],
    [
      'semicolons, as one mail program writes',
      'anna@example.com; boris@example.com;',
      ['anna@example.com', 'boris@example.com'],
    ],
    ['blanks only', 'anna@example.com  boris@example.com', ['anna@example.com', 'boris@example.com']],
    [
      'a missing comma after an angle',
      '<anna@example.com> Boris <boris@example.com>',
      ['anna@example.com', 'boris@example.com'],
    ],
    ['blanks around the at sign', 'anna @ example.com', ['anna@example.com']],
    ['a route', '<@one.example,@two.example:anna@example.com>', ['anna@example.com']],
    ['a mailto link', '<mailto:anna@example.com>', ['anna@example.com']],
    [
      'a quoted local part',
      '"anna of example"@example.com, <"a@b"@example.com>',
      ['"anna of example"@example.com', '"a@b"@example.com'],
    ],
    [
      'an address literal',
      'anna@[192.0.2.1], boris@[IPv6:2001:db8::1]',
      ['anna@[192.0.2.1]', 'boris@[IPv6:2001:db8::1]'],
    ],
    [
      'single quotes around it',
      "'anna@example.com', Boris <'boris@example.com'>",
      ['anna@example.com', 'boris@example.com'],
    ],
    ['an angle that never closes', 'Anna <anna@example.com', ['anna@example.com']],
    ['an angle that never opens', 'anna@example.com>, boris@example.com', ['anna@example.com', 'boris@example.com']],
    ['angles that never close', '<anna@example.com, <boris@example.com', ['anna@example.com', 'boris@example.com']],
    ['a quote that never closes', '"Anna <anna@example.com>', ['anna@example.com']],
    ['an address in front of an empty angle', 'anna@example.com <>', ['anna@example.com']],
    ['separators without end', ',,;; ,anna@example.com,, ;', ['anna@example.com']],
    [
      'folding and tabs',
      'Anna\r\n\t<anna@example.com>,\r\n boris@example.com',
      ['anna@example.com', 'boris@example.com'],
    ],
    ['NUL bytes', 'anna\0 <anna@example.com>\0', ['anna@example.com']],
    ['a final stop', 'anna@example.com., boris@example.com.', ['anna@example.com', 'boris@example.com']],
    ['no address at all', 'Anna, everybody <>, @, a@, @b', []],
    ['nothing', '', []],
    ['letters outside ASCII', raw('Jürgen <jürgen@bücher.example>'), ['jürgen@bücher.example']],
    ['Latin-1 bytes', raw('J\u00fcrgen <j\u00fcrgen@example.com>', 'latin1'), ['jürgen@example.com']],
    [
      'a plus tag and odd but legal letters',
      "anna+list@example.com, o'neil!#$%&*/=?^_`{|}~-@example.com",
      ['anna+list@example.com', "o'neil!#$%&*/=?^_`{|}~-@example.com"],
    ],
  ])('reads %s', (_case, value, expected) => {
    expect(parseAddressList(value)).toEqual(expected);
  });

  it('stops at its limit, and never keeps an address longer than a mailbox can be', () => {
    expect(parseAddressList('a@b.example,'.repeat(20_000))).toHaveLength(MAX_LISTED_ADDRESSES);
    expect(parseAddressList(`${'a'.repeat(5000)}@example.com`)[0]).toHaveLength(320);
  });

  it.each(['"', '(', '<', '@', ',', ':', '\\', '[', '=?', '"@', '@[', '""@', ' @', '(<', '<@a', '=?utf-8?q?'])(
    'survives a megabyte of %j',
    (piece) => {
      expect(parseAddressList(piece.repeat(1_000_000 / piece.length)).every((address) => address.includes('@'))).toBe(
        true,
      );
    },
  );
});
