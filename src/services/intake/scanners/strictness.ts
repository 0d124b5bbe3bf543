import { ScanStatus } from '../../../entities/vocabulary.js';

// Where two finds of one module meet, the one that restricts more stands: first what forbids sending and HTML (rules
// D2, P3), then what only warns, then that nothing was looked at, then good news.
const STRICTEST_FIRST: readonly ScanStatus[] = [
  ScanStatus.DETECTED,
  ScanStatus.DISINFECTED,
  ScanStatus.VIOLATION,
  ScanStatus.DENYLISTED,
  ScanStatus.SPAM,
  ScanStatus.PROBABLE_SPAM,
  ScanStatus.SCAN_ERROR,
  ScanStatus.ENCRYPTED,
  ScanStatus.MACROS,
  ScanStatus.MASS_MAIL,
  ScanStatus.FORMAL,
  ScanStatus.TRUSTED,
  ScanStatus.BASES_ERROR,
  ScanStatus.NOT_SCANNED,
  ScanStatus.NO_VIOLATION,
  ScanStatus.NOT_DETECTED,
];

/** The status of the two that restricts more. */
export function stricter(a: ScanStatus, b: ScanStatus): ScanStatus {
  return STRICTEST_FIRST.indexOf(a) <= STRICTEST_FIRST.indexOf(b) ? a : b;
}
