import { mailboxKey } from '../../entities/mailbox-key.js';
import { RecipientKind } from '../../entities/vocabulary.js';

/** Where each envelope recipient stands in the header fields (rule S3): To, else Cc, else Bcc; in the order given. */
export function recipientKinds(
  addresses: readonly string[],
  headerTo: readonly string[],
  headerCc: readonly string[],
): RecipientKind[] {
  const to = new Set(headerTo.map(mailboxKey));
  const cc = new Set(headerCc.map(mailboxKey));
  return addresses.map((address) => {
    const key = mailboxKey(address);
    if (to.has(key)) return RecipientKind.TO;
    return cc.has(key) ? RecipientKind.CC : RecipientKind.BCC;
  });
}

/** Where one envelope recipient stands in the header fields (rule S3), compared as mailboxes are. */
export function recipientKind(
  address: string,
  headerTo: readonly string[],
  headerCc: readonly string[],
): RecipientKind {
  return recipientKinds([address], headerTo, headerCc)[0] ?? RecipientKind.BCC;
}
