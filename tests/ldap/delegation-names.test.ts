import { delegationNames } from '../../src/ldap/delegation-names.js';

describe('the names within a delegation value (rule L6)', () => {
  it.each([
    ['CN=A\\;B,DC=x;anna', ['CN=A\\;B,DC=x', 'anna']],
    ['CN=A\\\\;anna', ['CN=A\\\\', 'anna']],
    [' ; ;', []],
    ['anna\\', ['anna\\']],
  ])('splits %j at semicolons that are not escaped', (value, expected) => {
    expect(delegationNames(value)).toEqual(expected);
  });
});
