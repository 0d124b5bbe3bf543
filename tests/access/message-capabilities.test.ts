import { DeliveryFormat } from '../../src/entities/delivery-format.js';
import { MODULE_STATUSES, Module, ScanStatus } from '../../src/entities/vocabulary.js';
import {
  CapabilityReason,
  htmlCapability,
  messageCapabilities,
} from '../../src/services/access/message-capabilities.js';

const R = CapabilityReason;
const S = ScanStatus;
const ON = {
  preview: true,
  deletion: true,
  sending: true,
  deliveryFormat: DeliveryFormat.IN_ATTACHMENT,
  removeMessageId: false,
};
const CLEAN = { hasHtml: true, antiVirus: null, antiPhishing: null, linkScanning: null };

/** Rules P3 and D2, written out for every Anti-Virus status: may the HTML be shown, may the message be sent. */
const ANTI_VIRUS: readonly [ScanStatus | null, boolean, boolean][] = [
  [null, true, true],
  [S.NOT_DETECTED, true, true],
  [S.ENCRYPTED, true, true],
  [S.NOT_SCANNED, true, true],
  [S.BASES_ERROR, true, true],
  [S.MACROS, true, true],
  [S.SCAN_ERROR, false, true],
  [S.DISINFECTED, false, false],
  [S.DETECTED, false, false],
];

describe('What may be done with a message', () => {
  it('has a decision for every status that Anti-Virus can report', () => {
    expect(ANTI_VIRUS.flatMap(([status]) => status ?? []).sort()).toEqual(
      [...MODULE_STATUSES[Module.ANTI_VIRUS]].sort(),
    );
  });

  describe.each(ANTI_VIRUS)('when Anti-Virus says %s', (antiVirus, html, send) => {
    it.each([true, false])('P3, D2: with an HTML part %s', (hasHtml) => {
      const reason = !hasHtml ? R.NO_HTML_PART : html ? null : R.ANTI_VIRUS_STATUS;
      expect(htmlCapability({ hasHtml, antiVirus })).toEqual({ allowed: reason === null, reason });
      for (const preview of [true, false])
        for (const sending of [true, false])
          for (const deletion of [true, false]) {
            const can = messageCapabilities({ ...ON, preview, sending, deletion }, { ...CLEAN, hasHtml, antiVirus });
            const of = (why: CapabilityReason | null) => ({ allowed: why === null, reason: why });
            expect(can).toEqual({
              previewText: of(preview ? null : R.PREVIEW_SWITCHED_OFF),
              previewHtml: of(preview ? reason : R.PREVIEW_SWITCHED_OFF),
              send: of(!sending ? R.SENDING_SWITCHED_OFF : send ? null : R.THREAT_DETECTED),
              delete: of(deletion ? null : R.DELETION_SWITCHED_OFF),
            });
          }
    });
  });

  it.each(MODULE_STATUSES[Module.ANTI_PHISHING])(
    'D2: Anti-Phishing and link scanning prevent sending by %s only if it is a detection',
    (status) => {
      for (const facts of [{ antiPhishing: status }, { linkScanning: status }]) {
        const { send, previewHtml } = messageCapabilities(ON, { ...CLEAN, ...facts });
        expect(send.allowed).toBe(status !== S.DETECTED);
        // Phishing is no reason against HTML (P3): only Anti-Virus decides about it.
        expect(previewHtml.allowed).toBe(true);
      }
    },
  );
});
