import { readElements, readInteger, writeElement, writeInteger, BerSyntaxError } from './ber.js';
import type { AttributeValue } from './organisation.js';
import type { RequestControl } from './request.js';

/** Result codes that the server answers with (RFC 4511, appendix A). */
export const RESULT = {
  success: 0,
  operationsError: 1,
  protocolError: 2,
  sizeLimitExceeded: 4,
  authMethodNotSupported: 7,
  strongAuthRequired: 8,
  referral: 10,
  unavailableCriticalExtension: 12,
  noSuchObject: 32,
  invalidDnSyntax: 34,
  invalidCredentials: 49,
  insufficientAccess: 50,
  busy: 51,
  unwillingToPerform: 53,
} as const;

/** Tags of the responses (RFC 4511, 4). */
export const RESPONSE = {
  bind: 0x61,
  searchEntry: 0x64,
  searchDone: 0x65,
  searchReference: 0x73,
  extended: 0x78,
} as const;

/** How an operation ended. */
export interface Result {
  readonly code: number;
  readonly message?: string;
  readonly matchedDn?: string;
  readonly referrals?: readonly string[];
}

/** The control of paged results (RFC 2696). */
export const PAGED_RESULTS = '1.2.840.113556.1.4.319';

/** Writes the message that ends an operation. */
export function encodeResult(messageId: number, tag: number, result: Result, controls: readonly Buffer[] = []): Buffer {
  const referrals = result.referrals?.length
    ? [writeElement(0xa3, ...result.referrals.map((url) => writeElement(0x04, url)))]
    : [];
  const operation = writeElement(
    tag,
    writeInteger(result.code, 0x0a),
    writeElement(0x04, result.matchedDn ?? ''),
    writeElement(0x04, result.message ?? ''),
    ...referrals,
  );
  const trailer = controls.length > 0 ? [writeElement(0xa0, ...controls)] : [];
  return writeElement(0x30, writeInteger(messageId), operation, ...trailer);
}

/** Writes one found entry; the name goes out as it is stored, in UTF-8. */
export function encodeEntry(
  messageId: number,
  dn: string,
  attributes: Iterable<readonly [name: string, values: readonly AttributeValue[]]>,
): Buffer {
  const list: Buffer[] = [];
  for (const [name, values] of attributes) {
    const set = writeElement(0x31, ...values.map((value) => writeElement(0x04, value)));
    list.push(writeElement(0x30, writeElement(0x04, name), set));
  }
  const entry = writeElement(RESPONSE.searchEntry, writeElement(0x04, dn), writeElement(0x30, ...list));
  return writeElement(0x30, writeInteger(messageId), entry);
}

/** Writes a pointer to another server that holds part of the tree. */
export function encodeReference(messageId: number, url: string): Buffer {
  return writeElement(0x30, writeInteger(messageId), writeElement(RESPONSE.searchReference, writeElement(0x04, url)));
}

/** Writes the control that carries the cookie for the next page; an empty cookie ends the paging. */
export function encodePagedResults(cookie: string): Buffer {
  const value = writeElement(0x30, writeInteger(0), writeElement(0x04, cookie));
  return writeElement(0x30, writeElement(0x04, PAGED_RESULTS), writeElement(0x04, value));
}

/** Reads the page size and the cookie of a request for paged results. */
export function decodePagedResults(control: RequestControl): { size: number; cookie: string } {
  const sequence = readElements(control.value)[0];
  if (!sequence) throw new BerSyntaxError('The control of paged results is empty.');
  const [size, cookie] = readElements(sequence.content);
  return { size: readInteger(size), cookie: cookie?.content.toString('latin1') ?? '' };
}
