import { multipart, torture } from './torture-message.js';

/** Made with `openssl cms -sign -nodetach -nocerts`: lengths told, and (with -stream) not told. */
const SIGNED = {
  DER: 'MIIBhgYJKoZIhvcNAQcCoIIBdzCCAXMCAQExDTALBglghkgBZQMEAgEwgc0GCSqGSIb3DQEHAaCBvwSBvENvbnRlbnQtVHlwZTogbXVsdGlwYXJ0L2FsdGVybmF0aXZlOyBib3VuZGFyeT1zDQoNCi0tcw0KQ29udGVudC1UeXBlOiB0ZXh0L3BsYWluOyBjaGFyc2V0PXV0Zi04DQoNClNpZ25lZCBncmVldGluZ3MNCi0tcw0KQ29udGVudC1UeXBlOiB0ZXh0L2h0bWwNCg0KPHA+U2lnbmVkIDxiPmdyZWV0aW5nczwvYj48L3A+DQotLXMtLQ0KMYGOMIGLAgEBMCQwDDEKMAgGA1UEAwwBdAIUNPv22csOSFOuZRuCA7BXKj2eylswCwYJYIZIAWUDBAIBMAoGCCqGSM49BAMCBEcwRQIhAIn7BwY8Vb7PJBid59qbk0UFWbtmE2kZZk9cL8RxoNoMAiAK/EPh6M6L1uiYTiez0nXxI6sBiz6jQ38KnGmjyf4EhQ==',
  BER: 'MIAGCSqGSIb3DQEHAqCAMIACAQExDTALBglghkgBZQMEAgEwgAYJKoZIhvcNAQcBoIAkgASBvENvbnRlbnQtVHlwZTogbXVsdGlwYXJ0L2FsdGVybmF0aXZlOyBib3VuZGFyeT1zDQoNCi0tcw0KQ29udGVudC1UeXBlOiB0ZXh0L3BsYWluOyBjaGFyc2V0PXV0Zi04DQoNClNpZ25lZCBncmVldGluZ3MNCi0tcw0KQ29udGVudC1UeXBlOiB0ZXh0L2h0bWwNCg0KPHA+U2lnbmVkIDxiPmdyZWV0aW5nczwvYj48L3A+DQotLXMtLQ0KAAAAAAAAMYGPMIGMAgEBMCQwDDEKMAgGA1UEAwwBdAIUNPv22csOSFOuZRuCA7BXKj2eylswCwYJYIZIAWUDBAIBMAoGCCqGSM49BAMCBEgwRgIhAMavlmNlIvJPG5NF3/8DVmXjgUkQKy0ONlaATc8Q6lS9AiEAtCnYHDA8XalnKuq4xL1IZ4iM7q5CvjdBSgb715DTOs8AAAAAAAA=',
};

const u16 = (value: number) => Buffer.from([value & 255, value >> 8]);
const u32 = (value: number) => Buffer.concat([u16(value & 0xffff), u16(value >>> 16)]);
const attribute = (level: number, id: number, data: Buffer) =>
  Buffer.concat([
    Buffer.from([level]),
    u32(id),
    u32(data.length),
    data,
    u16(data.reduce((sum, byte) => sum + byte, 0) & 0xffff),
  ]);
const pad = (data: Buffer) => Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
const text = (value: string) => Buffer.from(`${value}\0`, 'latin1');
const wide = (value: string) => Buffer.from(`${value}\0`, 'utf16le');

/** A property list with a number, a named property, and the wanted text. */
const properties = (id: number, value: Buffer) =>
  Buffer.concat([
    u32(3),
    ...[u16(0x03), u16(0x0e08), u32(7)],
    ...[u16(0x1e), u16(0x8001), Buffer.alloc(16), u32(1), u32(6), pad(wide('ab')), u32(1), u32(3), pad(text('xy'))],
    ...[u16(0x1f), u16(id), u32(1), u32(value.length), pad(value)],
  ]);

const file = (title: string, longName: string, data: Buffer) => [
  attribute(2, 0x00069002, Buffer.alloc(14)),
  attribute(2, 0x00018010, text(title)),
  attribute(2, 0x0006800f, data),
  attribute(2, 0x00069005, properties(0x3707, wide(longName))),
];

const TNEF = Buffer.concat([
  u32(0x223e9f78),
  u16(1),
  attribute(1, 0x00069007, Buffer.concat([u32(1251), u32(0)])),
  attribute(1, 0x0002800c, Buffer.from('\xcf\xf0\xe8\xe2\xe5\xf2\0', 'latin1')),
  ...file('REPORT~1.DOC', 'Report \u202efor Anna.doc', Buffer.alloc(1234)),
  ...file('b.exe', 'run\u0000.exe', Buffer.from('MZ')),
]);

const tnef = (name: string, bytes: Buffer, shown: string | readonly string[]) =>
  torture(
    name,
    multipart(
      'mixed',
      ['Content-Type: text/plain', '', 'Hello'],
      [
        'Content-Type: application/ms-tnef; name=winmail.dat',
        'Content-Transfer-Encoding: base64',
        '',
        bytes.toString('base64'),
      ],
    ),
    ['Hello', ...(typeof shown === 'string' ? [shown] : shown)],
  );

const signed = (name: string, type: string, body: string, shown: string | readonly string[]) =>
  torture(name, [`Content-Type: ${type}; name=smime.p7m`, 'Content-Transfer-Encoding: base64', '', body], shown);

/** Messages inside other formats. */
export const containers = [
  tnef('TNEF with a text and files', TNEF, [
    'Files inside:',
    '- Report for Anna.doc (1234 bytes)',
    '- run .exe (2 bytes)',
    '\u041f\u0440\u0438\u0432\u0435\u0442',
  ]),
  tnef('TNEF that is cut in a file', TNEF.subarray(0, 200), '- REPORT~1.DOC (1234 bytes)'),
  tnef('TNEF that is cut in its head', TNEF.subarray(0, 20), 'files are inside this attachment'),
  tnef('TNEF of endless lengths', Buffer.concat([TNEF.subarray(0, 7), Buffer.alloc(60, 0xff)]), 'TNEF'),
  tnef('TNEF that is none', Buffer.from('not at all'), 'files are inside this attachment'),
  signed('S/MIME signed as one piece', 'application/pkcs7-mime; smime-type=signed-data', SIGNED.DER, [
    'Signed with S/MIME. The signature was not verified.',
    'Signed greetings',
  ]),
  signed('S/MIME signed as one piece without lengths', 'application/x-pkcs7-mime; smime-type=signed-data', SIGNED.BER, [
    'Signed greetings',
  ]),
  signed('S/MIME without a kind', 'application/pkcs7-mime', SIGNED.DER, 'Signed greetings'),
  signed(
    'S/MIME signed, cut off',
    'application/pkcs7-mime; smime-type=signed-data',
    SIGNED.DER.slice(0, 200),
    'Signed',
  ),
  signed(
    'S/MIME signed, of nonsense',
    'application/pkcs7-mime; smime-type=signed-data',
    Buffer.concat([Buffer.from('3080060b', 'hex'), Buffer.alloc(500, 0x30)]).toString('base64'),
    'Signed with S/MIME',
  ),
];
