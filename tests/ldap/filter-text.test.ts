import { BadInputError } from '../../src/errors.js';
import { requireFilter } from '../../src/ldap/filter-text.js';

describe('filters that administrators write (RFC 4515)', () => {
  it.each([
    ['(mail=*)', '(mail=*)'],
    ['(&(objectClass=person)(|(uid=a)(uid=b))(!(x=y)))', '(&(objectClass=person)(|(uid=a)(uid=b))(!(x=y)))'],
    [' ( & (a=1)\n  (b>=2) (c<=3) (d~=4) ) ', '(&(a=1)(b>=2)(c<=3)(d~=4))'],
    ['(cn=An*na*st)', '(cn=An*na*st)'],
    ['(userAccountControl:1.2.840.113556.1.4.803:=2)', '(userAccountControl:1.2.840.113556.1.4.803:=2)'],
    ['(cn:dn:2.5.13.2:=x)', '(cn:dn:2.5.13.2:=x)'],
    ['(cn:=x)', '(cn:=x)'],
  ])('reads %j', (text, expected) => {
    const written = requireFilter('personFilter', text).toString();
    // Values of equality go out as octets and are shown so.
    const shown = written.replace(/((?:\\[0-9a-f]{2})+)/g, (hex) =>
      Buffer.from(hex.replaceAll('\\', ''), 'hex').toString(),
    );
    expect(shown).toBe(expected);
  });

  it('sends escaped letters as the octets that they stand for', () => {
    const filter = requireFilter('personFilter', '(cn=M\\c3\\bcller, 7 \\28x\\29)') as unknown as { value: Buffer };
    expect(filter.value.toString('utf8')).toBe('Müller, 7 (x)');
    const substring = requireFilter('personFilter', '(cn=M\\c3\\bc*\\2a)') as unknown as {
      initial: string;
      final: string;
    };
    expect([substring.initial, substring.final]).toEqual(['Mü', '*']);
  });

  it.each([
    ['', /"\(" is missing/],
    ['objectClass=person', /"\(" is missing/],
    ['(objectClass=person', /"\)" is missing/],
    ['(a=1)(b=2)', /something follows/],
    ['(&)', /nothing follows/],
    ['(!)', /"\(" is missing/],
    ['(=x)', /no comparison/],
    ['(a b=c)', /no comparison/],
    ['(cn=a(b)', /not escaped/],
    ['(cn=a\\zz)', /hex digits/],
    ['(cn=a\\f)', /hex digits/],
    ['(cn>=\\ff)', /UTF-8/],
    [`${'(!'.repeat(40)}(a=b)${')'.repeat(40)}`, /nested deeper/],
    [`(cn=${'a'.repeat(5000)})`, /longer than/],
  ])('refuses %j and names the field', (text, reason) => {
    expect(() => requireFilter('overrides.personFilter', text)).toThrow(BadInputError);
    expect(() => requireFilter('overrides.personFilter', text)).toThrow(reason);
    expect(() => requireFilter('overrides.personFilter', text)).toThrow(/overrides\.personFilter/);
  });
});
