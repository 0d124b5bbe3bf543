import { type HandOver } from '../../../entities/vocabulary.js';
import { type RspamdMetadata } from './rspamd-metadata.js';
import { rspamdReason, rspamdScanResults } from './rspamd-verdict.js';
import { type VerdictMapping } from './verdict-mapping.js';

/**
 * Turns rspamd's metadata into a hand-over: one verdict for all recipients, since rspamd judges a message once. Without
 * known recipients the verdict names none, and the message is in global Backup only.
 */
export function rspamdHandOver(metadata: RspamdMetadata, mapping: VerdictMapping, receivedAtMs: number): HandOver {
  const { actions, otherAction } = mapping.rspamd;
  return {
    sender: metadata.sender,
    senderIp: metadata.senderIp,
    gatewayMessageId: metadata.queueId,
    node: metadata.server,
    receivedAtMs,
    verdicts: [
      {
        ruleName: '',
        action: actions.get(metadata.action?.toLowerCase() ?? '') ?? otherAction,
        scanResults: rspamdScanResults(metadata, mapping),
        reason: rspamdReason(metadata),
        recipients: metadata.recipients,
      },
    ],
  };
}
