import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HandOverUnreadableError } from '../../../src/services/intake/scanners/hand-over-errors';
import { explain, renderExplanation } from '../../../src/services/intake/scanners/explain';
import { readVerdictMapping } from '../../../src/services/intake/scanners/verdict-mapping';
import { msgpack } from './msgpack-writer';

const fixture = (name: string) => readFileSync(join(__dirname, 'fixtures', name));
const MESSAGE = fixture('message.eml');
const MAPPING = readVerdictMapping();
const bodyOf = (dump: Buffer) => dump.subarray(dump.indexOf('\r\n\r\n') + 4);
const METADATA = JSON.parse(fixture('metadata.json').toString()) as Record<string, unknown>;

describe('explaining a captured hand-over', () => {
  it.each<[string, Buffer, string, number | null, number]>([
    ['a request in the header form', fixture('rspamd-3.4-raw.http'), 'RSPAMD_RAW', MESSAGE.length, 0],
    ['a multipart request', fixture('rspamd-multipart-message-first.http'), 'RSPAMD_MULTIPART', MESSAGE.length, 0],
    [
      'the body of a multipart request',
      bodyOf(fixture('rspamd-multipart-metadata-first.http')),
      'RSPAMD_MULTIPART',
      MESSAGE.length,
      0,
    ],
    ['a JSON request', fixture('rspamd-json-with-message.http'), 'RSPAMD_JSON', MESSAGE.length, 0],
    ['the body of a JSON request', bodyOf(fixture('rspamd-json-with-message.http')), 'RSPAMD_JSON', MESSAGE.length, 0],
    ['a MessagePack body', msgpack({ ...METADATA, message: MESSAGE }), 'RSPAMD_MSGPACK', MESSAGE.length, 0],
    ['metadata alone', fixture('metadata.json'), 'RSPAMD_METADATA_ONLY', null, 0],
    ['a message of amavis', fixture('amavis-virus.eml'), 'AMAVIS', fixture('amavis-virus.eml').length - 583, 583],
    ['any other message', MESSAGE, 'PLAIN_MESSAGE', MESSAGE.length, 0],
  ])('recognises %s', async (_, bytes, form, messageBytes, strippedBytes) => {
    expect(await explain(bytes, MAPPING)).toMatchObject({ form, messageBytes, strippedBytes });
  });

  it('undoes chunked transfer', async () => {
    const head = 'POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-Rspamd-Action: reject\r\n\r\n';
    expect(await explain(Buffer.from(`${head}5\r\nA: b\r\r\n3;ext=1\r\n\n\r\n\r\n0\r\n\r\n`), MAPPING)).toMatchObject({
      form: 'RSPAMD_RAW',
      messageBytes: 8,
    });
  });

  it('says what was absent or not understood, and what follows from it', async () => {
    const { notes } = await explain(
      Buffer.from('POST /x HTTP/1.1\r\nX-Rspamd-action: tarpit\r\nX-Rspamd-rcpt: unknown\r\n\r\nx: y\r\n\r\n'),
      MAPPING,
    );
    expect(notes).toEqual(
      expect.arrayContaining([
        expect.stringContaining('"tarpit" is not in the mapping'),
        expect.stringContaining('no recipients are told'),
      ]),
    );
  });

  it('says why it cannot be read', async () => {
    await expect(explain(Buffer.from('{"rcpt":'), MAPPING)).rejects.toBeInstanceOf(HandOverUnreadableError);
    await expect(explain(Buffer.from('POST /x HTTP/1.1\r\nno end'), MAPPING)).rejects.toThrow(/no empty line/);
  });

  it('is written as lines for a terminal', async () => {
    const text = renderExplanation(await explain(fixture('amavis-virus.eml'), MAPPING));
    expect(text).toMatch(/^form +AMAVIS$/m);
    expect(text).toMatch(/^message +\d+ bytes, 583 bytes of header left out$/m);
    expect(text).toMatch(/^action +DELETE_MESSAGE\nrecipients +anna@example.com, "odd, one"@example.com$/m);
    expect(text).toMatch(/^ {2}ANTI_VIRUS +DETECTED \[Eicar-Test-Signature.UNOFFICIAL, Win.Test.EICAR_HDB-1\]/m);
  });
});
