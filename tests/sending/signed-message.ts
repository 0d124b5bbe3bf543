import { generateKeyPairSync } from 'node:crypto';
import { createTransport } from 'nodemailer';

/** A key made for one test run. */
export const dkimKeys = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** A message with lines that tempt mail software to change them, signed by an independent implementation of DKIM. */
export async function signedMessage(signedFields = 'From:To:Subject:Date:MIME-Version'): Promise<Buffer> {
  const transport = createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
  const { message } = await transport.sendMail({
    from: 'Zoë <zoe@example.org>',
    to: 'anna@example.com',
    subject: 'Angebot für März, so lang, dass es gefaltet wird, und noch etwas länger',
    messageId: '<signed@example.org>',
    text: '.\n..\nFrom here on  two blanks \n\tand a tab\t\n\nGrüße\n\n\n',
    dkim: {
      domainName: 'example.org',
      keySelector: 'test',
      privateKey: dkimKeys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      headerFieldNames: signedFields,
    },
  });
  return message as Buffer;
}
