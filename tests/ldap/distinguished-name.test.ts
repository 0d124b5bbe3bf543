import { BadInputError } from '../../src/errors.js';
import {
  DnSyntaxError,
  dnOfDomain,
  domainOfDn,
  escapeDnValue,
  isDn,
  isWithin,
  normaliseDn,
  parentOfNormalised,
  parseDn,
  requireDn,
} from '../../src/ldap/distinguished-name.js';

describe('distinguished names (RFC 4514)', () => {
  it.each([
    [
      'spaces and case',
      'CN = Anna  Lindqvist , OU=People,DC=Example,DC=com',
      'cn=anna lindqvist,ou=people,dc=example,dc=com',
    ],
    ['an escaped comma', 'CN=Müller\\, Jörg,DC=x', 'cn=müller\\, jörg,dc=x'],
    ['a comma as hex pair', 'CN=Müller\\2C Jörg,DC=x', 'cn=müller\\, jörg,dc=x'],
    ['letters as hex pairs', 'CN=M\\c3\\bcller,DC=x', 'cn=müller,dc=x'],
    ['decomposed letters', 'CN=Mu\u0308ller,DC=x', 'cn=müller,dc=x'],
    ['Cyrillic', 'CN=Борис Соколов,DC=x', 'cn=борис соколов,dc=x'],
    ['CJK', 'CN=田中 花子,DC=x', 'cn=田中 花子,dc=x'],
    ['an apostrophe', "CN=Zoë O'Neill,DC=x", "cn=zoë o'neill,dc=x"],
    ['an escaped plus', 'CN=C\\+\\+,DC=x', 'cn=c\\+\\+,dc=x'],
    ['several parts in any order', 'SN=b+CN=a,DC=x', 'cn=a+sn=b,dc=x'],
    ['an equals sign in a value', 'CN=a=b,DC=x', 'cn=a=b,dc=x'],
    ['an escaped equals sign', 'CN=a\\=b,DC=x', 'cn=a=b,dc=x'],
    ['a hash value', 'CN=#0403616263,DC=x', 'cn=abc,dc=x'],
    ['an escaped backslash', 'CN=a\\\\b,DC=x', 'cn=a\\\\b,dc=x'],
    ['the name of a tombstone', 'CN=Anna\\0ADEL:1,DC=x', 'cn=anna\ndel:1,dc=x'],
    ['an escaped space at the end', 'CN=a\\ ,DC=x', 'cn=a,dc=x'],
    ['a numeric type', '2.5.4.3=a,DC=x', '2.5.4.3=a,dc=x'],
  ])('compares names without regard to spelling: %s', (_title, dn, expected) => {
    expect(normaliseDn(dn)).toBe(expected);
    expect(normaliseDn(normaliseDn(dn))).toBe(expected);
    expect(isDn(dn)).toBe(true);
  });

  it.each([
    ['no equals sign', 'Anna Lindqvist', 'no "="'],
    ['an empty type', '=Anna,DC=x', 'attribute name'],
    ['a type with a space', 'common name=Anna,DC=x', 'attribute name'],
    ['a comma at the end', 'CN=Anna,', 'no "="'],
    ['a lonely backslash', 'CN=Anna\\', 'backslash'],
    ['an unknown escape', 'CN=An\\na,DC=x', 'backslash'],
    ['a quote', 'CN="Anna",DC=x', 'unescaped "'],
    ['a semicolon', 'CN=Anna;DC=x', 'unescaped ;'],
    ['an odd hash', 'CN=#040,DC=x', '"#"'],
    ['too long a text', `CN=${'a'.repeat(9000)}`, 'longer'],
  ])('refuses %s and says why', (_title, dn, reason) => {
    expect(() => parseDn(dn)).toThrow(DnSyntaxError);
    expect(() => parseDn(dn)).toThrow(reason);
    expect(isDn(dn)).toBe(false);
    expect(() => normaliseDn(dn)).not.toThrow();
  });

  it('names the field in errors for people', () => {
    expect(() => requireDn('baseDn', 'example.com')).toThrow(BadInputError);
    expect(() => requireDn('baseDn', '')).toThrow(/baseDn is empty/);
    expect(requireDn('baseDn', ' DC=example,DC=com ')).toBe('DC=example,DC=com');
  });

  it('keeps escaped spaces and unescapes values', () => {
    expect(parseDn('CN=\\ a\\20 ,DC=x')[0]).toEqual([{ type: 'cn', value: ' a ' }]);
    expect(parseDn('')).toEqual([]);
  });

  it.each(['a,b', ' lead', 'trail ', '#hash', 'a"b', 'a\\b', 'a+b', 'a;b', 'a<b>c', 'a=b', 'ü', 'a\nb', ' '])(
    'writes the value %j so that it reads back the same',
    (value) => {
      expect(parseDn(`CN=${escapeDnValue(value)},DC=x`)[0]).toEqual([{ type: 'cn', value }]);
    },
  );

  it('derives domains and parents', () => {
    expect(domainOfDn('CN=a\\,DC=evil,OU=b,DC=Example,DC=COM')).toBe('example.com');
    expect(domainOfDn('O=Example,C=de')).toBe('');
    expect(dnOfDomain('branch.example')).toBe('DC=branch,DC=example');
    expect(parentOfNormalised('cn=müller\\, jörg,ou=a,dc=x')).toBe('ou=a,dc=x');
    expect(parentOfNormalised('dc=x')).toBe('');
    expect(isWithin('cn=a,dc=x', 'dc=x')).toBe(true);
    expect(isWithin('dc=x', 'dc=x')).toBe(true);
    expect(isWithin('cn=a,dc=xx', 'dc=x')).toBe(false);
  });
});
