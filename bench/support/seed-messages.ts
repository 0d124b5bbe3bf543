import type { Connection } from 'mysql2/promise';
import {
  ACTION_CODES,
  GatewayAction,
  Module,
  type ScanResult,
  ScanStatus,
  STATUS_CODES,
} from '../../src/entities/vocabulary.js';
import { ipKey } from '../../src/services/backup/ip-key.js';
import { detectedBits, SORT_KEY_LENGTH } from '../../src/services/backup/message-rows.js';
import { initialVisibility } from '../../src/services/backup/visibility.js';
import { addressOf, aliasOf, type Amount, digest, groupAddressOf } from './seed-names.js';
import { TableFile } from './table-file.js';

const PERIOD_MS = 30 * 86_400_000;

// Every hundredth message goes to the first person, so that this mailbox grows with the database.
const FIRST_PERSON_SHARE = 100;

// A small generator with a fixed seed (xorshift32): every run fills the same data.
const SEED = 2463534242;
let state = SEED;
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}
const pick = <Item>(items: readonly Item[]): Item => items[random(items.length)] as Item;

const WORDS =
  'your invoice parcel account offer meeting report delivery payment order notice reminder security update price list winter summer team contract tender question answer photo video ticket travel bank tax result project minutes plan schedule review draft final urgent confirmation subscription newsletter'.split(
    ' ',
  );
const NODES = ['gateway-1', 'gateway-2', 'gateway-3'];

const result = (module: Module, status: ScanStatus, ...threatNames: string[]): ScanResult => ({
  module,
  status,
  scannerVerdict: null,
  threatNames,
});
const CLEAN = result(Module.ANTI_VIRUS, ScanStatus.NOT_DETECTED);
const VERDICTS = [
  { action: GatewayAction.DELETE_MESSAGE, results: [CLEAN, result(Module.ANTI_SPAM, ScanStatus.SPAM)] },
  { action: GatewayAction.DELETE_MESSAGE, results: [CLEAN, result(Module.ANTI_SPAM, ScanStatus.PROBABLE_SPAM)] },
  {
    action: GatewayAction.DELETE_MESSAGE,
    results: [CLEAN, result(Module.ANTI_PHISHING, ScanStatus.DETECTED, 'Phishing.Bank')],
  },
  { action: GatewayAction.DELETE_ATTACHMENT, results: [result(Module.ANTI_VIRUS, ScanStatus.DETECTED, 'Eicar-Test')] },
  { action: GatewayAction.DISINFECT, results: [result(Module.ANTI_VIRUS, ScanStatus.DISINFECTED, 'Macro.Generic')] },
  { action: GatewayAction.SKIP, results: [CLEAN, result(Module.ANTI_SPAM, ScanStatus.MASS_MAIL)] },
].map(({ action, results }) => {
  const status = (module: Module) => {
    const found = results.find((each) => each.module === module);
    return found ? STATUS_CODES.indexOf(found.status) : null;
  };
  return {
    action: ACTION_CODES.indexOf(action),
    visibility: initialVisibility(action) as number,
    bits: detectedBits(results),
    json: JSON.stringify(results),
    statuses: [status(Module.ANTI_VIRUS), status(Module.ANTI_PHISHING), status(Module.LINK_SCANNING)],
  };
});
// Half of the mail put aside is spam, a sixth of it is never in personal Backup.
const WEIGHTED = [0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 5].map((index) => VERDICTS[index] as (typeof VERDICTS)[number]);

const CONTENTS = 10_000;

/** Fills messages, their verdicts and their recipients; the same ones in every run. */
export async function fillMessages(
  connection: Connection,
  folder: string,
  { messages, people, groupMailboxes }: Amount,
): Promise<void> {
  const contents = new TableFile(folder, 'content', 'id, sha256, size_bytes, stored_bytes');
  const chunks = new TableFile(folder, 'content_chunk', 'content_id, position, deflated, bytes');
  const text = 'Content-Type: text/plain\r\n\r\nThe lists do not read contents, so a few serve all messages.\r\n';
  for (let id = 1; id <= CONTENTS; id += 1) {
    await contents.add([id, digest(`content ${id}`), text.length, text.length]);
    await chunks.add([id, 0, 0, text]);
  }
  const message = new TableFile(
    folder,
    'message',
    'id, hand_over_key, content_id, source, received_at, stored_at, sender, sender_key, sender_ip, sender_ip_key, subject, subject_key, size_bytes, gateway_message_id, smtp_message_id, node, action, detected_by, has_html, attachments, sent_at',
  );
  const verdict = new TableFile(
    folder,
    'verdict',
    'message_id, position, rule_name, action, detected_by, anti_virus, anti_phishing, link_scanning, scan_results, reason',
  );
  const recipient = new TableFile(
    folder,
    'recipient',
    'message_id, position, verdict, mailbox, address, kind, action, visibility, received_at, sent_at',
  );
  state = SEED;
  const firstAt = Date.now() - PERIOD_MS;
  for (let id = 1; id <= messages; id += 1) {
    const receivedAt = firstAt + Math.floor((id / messages) * PERIOD_MS);
    const number = random(50_000);
    const sender = `sender${number}@site${number % 3_000}.example.net`;
    const ip = `198.${18 + random(2)}.${random(256)}.${random(256)}`;
    const subject = `${pick(WORDS)} ${pick(WORDS)} ${pick(WORDS)} ${random(100_000)}`;
    const found = pick(WEIGHTED);
    const size = 2_000 + Math.floor(2 ** (random(1_100) / 100) * 400);
    await message.add([
      id,
      digest(`hand-over ${id}`),
      1 + random(CONTENTS),
      'http',
      receivedAt,
      receivedAt + 200,
      sender,
      sender,
      ip,
      ipKey(ip),
      subject,
      subject.slice(0, SORT_KEY_LENGTH),
      size,
      `queue-${id}`,
      `<${id}.${number}@site${number % 3_000}.example.net>`,
      pick(NODES),
      found.action,
      found.bits,
      random(3) > 0 ? 1 : 0,
      '[]',
      null,
    ]);
    await verdict.add([id, 0, 'default', found.action, found.bits, ...found.statuses, found.json, null]);
    const mailboxes = new Set<string>();
    if (id % FIRST_PERSON_SHARE === 0) mailboxes.add(addressOf(0));
    else mailboxes.add(addressOf(1 + random(people - 1)));
    // One message in five has a second recipient, one in twenty goes to a group mailbox or an alias, too.
    if (random(5) === 0) mailboxes.add(addressOf(1 + random(people - 1)));
    if (random(20) === 0)
      mailboxes.add(
        groupMailboxes > 0 && random(2) === 0
          ? groupAddressOf(random(groupMailboxes))
          : aliasOf(1 + random(people - 1)),
      );
    let position = 0;
    for (const address of mailboxes) {
      await recipient.add([
        id,
        position,
        0,
        address,
        address,
        position === 0 ? 'TO' : 'CC',
        found.action,
        found.visibility,
        receivedAt,
        null,
      ]);
      position += 1;
    }
  }
  for (const file of [contents, chunks, message, verdict, recipient]) await file.load(connection);
}
