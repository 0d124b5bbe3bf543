import { base64, multipart, torture, utf8 } from './torture-message.js';

const attached = (name: string, headers: readonly string[], expected: string, type = 'application/pdf') =>
  torture(
    `attachment: ${name}`,
    multipart('mixed', ['Content-Type: text/plain', '', 'Hello'], [...headers, '', 'x']),
    'Hello',
    { attachments: [[expected, type, 1]] },
  );
const named = (name: string, disposition: string, expected: string) =>
  attached(name, ['Content-Type: application/pdf', `Content-Disposition: attachment; ${disposition}`], expected);

/** Names of attachments, in every spelling that is seen. */
export const names = [
  named('a plain name', 'filename="a b.pdf"', 'a b.pdf'),
  named('a name without quotes', 'filename=my file.pdf', 'my file.pdf'),
  named('RFC 2231', "filename*=utf-8'de'Gr%C3%BC%C3%9Fe.pdf", 'Grüße.pdf'),
  named('RFC 2231 in pieces', "filename*0*=utf-8''Gr%C3; filename*1*=%BC%C3%9Fe; filename*2=.pdf", 'Grüße.pdf'),
  named('RFC 2231 in pieces out of order', 'filename*1=b.pdf; filename*0=a', 'ab.pdf'),
  named('RFC 2231 without its charset', 'filename*=Gr%C3%BC%C3%9Fe.pdf', 'Grüße.pdf'),
  named('RFC 2231 in the wrong parameter', `filename="utf-8''Gr%C3%BC.pdf"`, 'Grü.pdf'),
  named('RFC 2047 in quotes', 'filename="=?utf-8?B?R3LDvMOfZS5wZGY=?="', 'Grüße.pdf'),
  named('RFC 2047 in two words', 'filename="=?utf-8?Q?Gr=C3=BC?= =?utf-8?Q?=C3=9Fe.pdf?="', 'Grüße.pdf'),
  named('RFC 2047 without quotes', 'filename==?utf-8?Q?Gr=C3=BC.pdf?=', 'Grü.pdf'),
  named('raw UTF-8', `filename="${utf8('Grüße.pdf')}"`, 'Grüße.pdf'),
  named('raw Latin 1', 'filename="Gr\xfc\xdfe.pdf"', 'Grüße.pdf'),
  named('a path', 'filename="..\\\\..\\\\etc/passwd"', '_.._etc_passwd'),
  named('a turned name', `filename="${utf8('cod\u202efdp.exe')}"`, 'codfdp.exe'),
  named('a name of controls', 'filename="a\tb\x07.pdf"', 'a b .pdf'),
  named('a name of blanks', 'filename="   "', 'part-1.2.pdf'),
  attached('a name on the type', ['Content-Type: application/pdf; name="a.pdf"'], 'a.pdf'),
  attached('no name', ['Content-Type: application/pdf'], 'part-1.2.pdf'),
  attached('no name and no known type', ['Content-Type: application/x-foo'], 'part-1.2', 'application/x-foo'),
  attached('an unfinished quotation', ['Content-Type: application/pdf; name="a.pdf'], 'a.pdf'),
  named('a very long name', `filename="${'a'.repeat(400)}.pdf"`, `${'a'.repeat(200)}…${'a'.repeat(36)}.pdf`),
];

/** Kinds of mail that are not simply text. */
export const kinds = [
  torture(
    'PGP/MIME',
    [
      'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b',
      '',
      '--b',
      'Content-Type: application/pgp-encrypted',
      '',
      'Version: 1',
      '--b',
      'Content-Type: application/octet-stream; name=encrypted.asc',
      '',
      '-----BEGIN PGP MESSAGE-----',
      '--b--',
    ],
    'Encrypted with OpenPGP',
  ),
  torture(
    'PGP in the text',
    ['', '-----BEGIN PGP MESSAGE-----', '', 'abc', '-----END PGP MESSAGE-----'],
    'BEGIN PGP MESSAGE',
  ),
  torture(
    'S/MIME encrypted',
    [
      'Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m',
      'Content-Transfer-Encoding: base64',
      '',
      base64('x'),
    ],
    'Encrypted with S/MIME',
  ),
  torture(
    'S/MIME signed',
    ['Content-Type: application/x-pkcs7-mime; smime-type=signed-data; name=smime.p7m', '', 'x'],
    'Signed with S/MIME',
  ),
  torture(
    'S/MIME with a detached signature',
    multipart(
      'signed; micalg=sha-256',
      ['Content-Type: text/plain', '', 'Hello'],
      ['Content-Type: application/pkcs7-signature; name=smime.p7s', '', 'x'],
    ),
    'Hello',
    { attachments: [['smime.p7s', 'application/pkcs7-signature', 1]] },
  ),
  torture(
    'TNEF',
    multipart(
      'mixed',
      ['Content-Type: text/plain', '', 'Hello'],
      ['Content-Type: application/ms-tnef; name=winmail.dat', '', '\x78\x9f\x3e\x22'],
    ),
    ['Hello', 'winmail.dat', 'TNEF'],
    { attachments: [['winmail.dat', 'application/ms-tnef', 4]] },
  ),
  torture(
    'a calendar',
    [
      'Content-Type: text/calendar; method=REQUEST; charset=utf-8',
      '',
      'BEGIN:VCALENDAR',
      'METHOD:REQUEST',
      'BEGIN:VEVENT',
      'SUMMARY:Board\\, yearly',
      'DTSTART;TZID="Europe/Berlin":20261224T180000',
      'DTEND:20261224T190000Z',
      'LOCATION:Room',
      '  1',
      'ORGANIZER;CN="Anna":mailto:anna@example.com',
      'ATTENDEE:mailto:boris@example.com',
      'END:VEVENT',
      'END:VCALENDAR',
    ],
    [
      'Invitation',
      'What: Board, yearly',
      'From: 2026-12-24 18:00 (Europe/Berlin)',
      'To: 2026-12-24 19:00 UTC',
      'Where: Room 1',
      'Organizer: Anna <anna@example.com>',
      'Attendees: boris@example.com',
    ],
  ),
  torture(
    'an invitation beside a text',
    multipart(
      'alternative',
      ['Content-Type: text/plain', '', 'Please come'],
      [
        'Content-Type: text/calendar',
        '',
        'BEGIN:VCALENDAR',
        'METHOD:CANCEL',
        'BEGIN:VEVENT',
        'SUMMARY:Party',
        'END:VEVENT',
        'END:VCALENDAR',
      ],
    ),
    ['Please come', 'Cancellation', 'What: Party'],
  ),
  torture(
    'a calendar of nonsense',
    ['Content-Type: text/calendar', '', 'END:VEVENT', 'SUMMARY', ';;;:::'],
    'Calendar entry',
  ),
  torture(
    'a delivery report',
    multipart(
      'report; report-type=delivery-status',
      ['Content-Type: text/plain', '', 'It failed.'],
      [
        'Content-Type: message/delivery-status',
        '',
        'Reporting-MTA: dns; mx.example.net',
        '',
        'Final-Recipient: rfc822; anna@example.com',
        'Action: failed',
        'Status: 5.1.1',
        'Diagnostic-Code: smtp; 550 5.1.1',
        ' unknown user',
      ],
      ['Content-Type: message/rfc822', '', 'Subject: Original', '', 'Body'],
    ),
    [
      'It failed.',
      'Reported by: mx.example.net',
      'Recipient: anna@example.com',
      'Action: failed',
      'Answer: 550 5.1.1 unknown user',
      'Subject: Original',
    ],
  ),
  torture(
    'a delivery report with headers only',
    multipart('report', ['Content-Type: text/rfc822-headers', '', 'Subject: Original']),
    'Subject: Original',
  ),
  torture(
    'a read receipt',
    multipart('report', [
      'Content-Type: message/disposition-notification',
      '',
      'Final-Recipient: rfc822;anna@example.com',
      'Disposition: manual-action/MDN-sent-manually; displayed',
    ]),
    ['Recipient: anna@example.com', 'Disposition: manual-action'],
  ),
  torture(
    'a complaint',
    multipart('report', ['Content-Type: message/feedback-report', '', 'Feedback-Type: abuse', 'Source-IP: 192.0.2.1']),
    ['Complaint: abuse', 'Source address: 192.0.2.1'],
  ),
  torture('enriched text', ['Content-Type: text/enriched', '', '<bold>Hello</bold>'], 'Hello'),
  torture(
    'only an image',
    ['Content-Type: image/png; name=a.png', 'Content-Transfer-Encoding: base64', '', base64('x')],
    'Attachments: a.png',
  ),
];
