import { lines } from '../compose-message.js';

/** A message that is hard to read, with what must be read in it. */
export interface TortureMessage {
  readonly name: string;
  readonly source: Buffer;
  readonly texts: readonly string[];
  readonly without?: readonly string[];
  /** Name, declared type and decoded size of each attachment, when they matter. */
  readonly attachments?: readonly (readonly [string, string, number])[];
}

type Extra = Pick<TortureMessage, 'without' | 'attachments'>;

/** A message from lines of ISO 8859-1: one character is one byte. */
export function torture(
  name: string,
  source: string | readonly string[],
  texts: string | readonly string[],
  extra: Extra = {},
): TortureMessage {
  const text = typeof source === 'string' ? source : lines(...source);
  return { name, source: Buffer.from(text, 'latin1'), texts: typeof texts === 'string' ? [texts] : texts, ...extra };
}

/** Characters as the bytes of UTF-8, to be put into an ISO 8859-1 source. */
export const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
export const base64 = (text: string | Buffer): string => Buffer.from(text).toString('base64');

/** A multipart with the boundary "b". */
export const multipart = (subtype: string, ...parts: (readonly string[])[]): string[] => [
  'MIME-Version: 1.0',
  `Content-Type: multipart/${subtype}; boundary=b`,
  '',
  ...parts.flatMap((part) => ['--b', ...part]),
  '--b--',
  '',
];
