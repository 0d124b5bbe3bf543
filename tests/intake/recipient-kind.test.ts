import { RecipientKind } from '../../src/entities/vocabulary.js';
import { recipientKind, recipientKinds } from '../../src/services/intake/recipient-kind.js';

describe('recipientKind', () => {
  it.each<[string, string, string[], string[], RecipientKind]>([
    ['in To', 'anna@example.com', ['anna@example.com'], [], RecipientKind.TO],
    ['in Cc', 'anna@example.com', ['boris@example.com'], ['anna@example.com'], RecipientKind.CC],
    ['in both', 'anna@example.com', ['anna@example.com'], ['anna@example.com'], RecipientKind.TO],
    ['in neither', 'anna@example.com', ['boris@example.com'], [], RecipientKind.BCC],
    ['without any header field', 'anna@example.com', [], [], RecipientKind.BCC],
    ['in other letter case', 'Anna@Example.COM', ['ANNA@example.com'], [], RecipientKind.TO],
    ['in angle brackets', '<anna@example.com>', ['anna@example.com'], [], RecipientKind.TO],
    ['with the domain in its other form', 'anna@xn--bcher-kva.example', ['anna@bücher.example'], [], RecipientKind.TO],
    ['with a tag, which is another mailbox', 'anna+x@example.com', ['anna@example.com'], [], RecipientKind.BCC],
  ])('S3: a recipient %s', (_case, address, to, cc, expected) => {
    expect(recipientKind(address, to, cc)).toBe(expected);
  });

  it('S3: answers for many recipients in their order', () => {
    const kinds = recipientKinds(['c@x.example', 'a@x.example', 'b@x.example'], ['a@x.example'], ['b@x.example']);
    expect(kinds).toEqual([RecipientKind.BCC, RecipientKind.TO, RecipientKind.CC]);
  });
});
