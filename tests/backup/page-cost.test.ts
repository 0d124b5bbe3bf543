import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { handOverOf, received } from '../support/hand-overs.js';
import { switchTo } from '../support/mail.js';
import { statementsOf } from '../support/statements.js';

const COMMON = `id receivedAt sender senderIp subject size gatewayMessageId smtpMessageId detectedBy action
  scanResults { module status scannerVerdict threatNames authentication { spf dkim dmarc } }
  attachments { name type detectedType size } sentFromBackup`;
const PERSONAL = `messages(first: $first) { edges { cursor } pageInfo { hasNextPage } nodes { ${COMMON} mailbox to cc
  viewerCan { previewText { allowed reason } previewHtml { allowed reason } send { allowed reason } delete { allowed reason } } } }`;
const OWN = `query ($first: Int) { viewer { name login addresses permissions personalBackup { availability changeCursor can { preview } own { address ${PERSONAL} } } } }`;
const SECTIONS = `query ($first: Int) { viewer { personalBackup { own { messageCount ${PERSONAL} } groupMailboxAccess groupMailboxes { address messageCount ${PERSONAL} } } } }`;
const ALL = `query ($first: Int) { backup { changeCursor messages(first: $first) { edges { cursor } pageInfo { hasNextPage } nodes { ${COMMON} node
  rules { name to cc bcc action scanResults { module status } reason } recipients { address kind action hidden sent } } } } }`;

const COUNT = 120;

describeOnBothDatabases('A page of messages with all its fields', (location) => {
  let test: TestApp;
  let anna: Client;
  let admin: Client;

  beforeAll(async () => {
    test = await startTestApp(location());
    admin = await test.signedIn('admin');
    await switchTo(admin, { enabled: true, groupMailboxes: true });
    anna = await test.signedIn('anna');
    await Promise.all(
      Array.from({ length: COUNT }, (_, index) =>
        test.app.services.store.store(
          received(
            `Message ${index}`,
            handOverOf(['anna@example.com', 'sales@example.com', 'support@example.com', `other${index}@example.com`]),
          ),
        ),
      ),
    );
  }, 60_000);
  afterAll(() => test?.stop());

  /** Statements that read for one query; what timers do beside it, and signs of life of the session, are not its cost. */
  const cost = async (client: Client, query: string, first: number): Promise<string[]> => {
    const statements = await statementsOf(() => client.ask(query, { first }));
    return statements.filter((sql) =>
      /^\s*SELECT\b[^]*\b(FROM|JOIN) (session|personal_backup_settings|directory_entry|recipient|verdict|message)\b/.test(
        sql,
      ),
    );
  };

  // Session; switches, own addresses, group mailboxes; the page; To and Cc of its messages.
  it.each([1, 10, 60])('costs people 6 statements, with %i messages', async (first) => {
    await cost(anna, OWN, first);
    expect(await cost(anna, OWN, first)).toHaveLength(6);
  });

  // The same for own and two group mailboxes: three pages and three counts; To and Cc of all that come together at once.
  it.each([1, 10, 20])('costs people 11 to 13 statements with every section, with %i messages each', async (first) => {
    await cost(anna, SECTIONS, first);
    const { length } = await cost(anna, SECTIONS, first);
    expect(length).toBeGreaterThanOrEqual(11);
    expect(length).toBeLessThanOrEqual(13);
  });

  // Session; the page; verdicts; recipients.
  it.each([1, 10, 60])('costs administrators 4 statements, with %i messages', async (first) => {
    await cost(admin, ALL, first);
    expect(await cost(admin, ALL, first)).toHaveLength(4);
  });
});
