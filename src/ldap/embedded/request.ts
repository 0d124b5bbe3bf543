import { BerSyntaxError, readElements, readInteger, type BerElement } from './ber.js';
import { decodeFilter, type SearchFilter } from './search-filter.js';

/** Tags of the requests that are answered here (RFC 4511, 4). */
export const OPERATION = { bind: 0x60, search: 0x63, extended: 0x77 } as const;

/** A control that came with a request (RFC 4511, 4.1.11). */
export interface RequestControl {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Buffer;
}

/** A simple bind; `password` is null for the SASL mechanisms, which are refused. */
export interface BindRequest {
  readonly messageId: number;
  readonly name: string;
  readonly password: string | null;
}

/** A search as it came over the wire, values undamaged. */
export interface SearchRequest {
  readonly messageId: number;
  readonly base: string;
  readonly scope: 'base' | 'one' | 'sub';
  readonly sizeLimit: number;
  readonly typesOnly: boolean;
  readonly filter: SearchFilter;
  readonly attributes: readonly string[];
  readonly controls: readonly RequestControl[];
}

/** The number and the operation of a message, before the operation itself is read. */
export function decodeEnvelope(message: BerElement): {
  messageId: number;
  operation: BerElement;
  controls: RequestControl[];
} {
  const [id, operation, controls] = readElements(message.content);
  if (message.tag !== 0x30 || !operation) throw new BerSyntaxError('Not an LDAP message.');
  return {
    messageId: readInteger(id),
    operation,
    controls: controls?.tag === 0xa0 ? decodeControls(controls.content) : [],
  };
}

/** Reads a bind request (RFC 4511, 4.2). */
export function decodeBind(messageId: number, operation: BerElement): BindRequest {
  const [, name, credentials] = readElements(operation.content);
  if (!name || !credentials) throw new BerSyntaxError('A bind request lacks its name or credentials.');
  const password = credentials.tag === 0x80 ? credentials.content.toString('utf8') : null;
  return { messageId, name: name.content.toString('utf8'), password };
}

/** Reads a search request (RFC 4511, 4.5.1). */
export function decodeSearch(
  messageId: number,
  operation: BerElement,
  controls: readonly RequestControl[],
): SearchRequest {
  const [base, scope, , sizeLimit, , typesOnly, filter, attributes] = readElements(operation.content);
  if (!base || !filter || !attributes) throw new BerSyntaxError('A search request is incomplete.');
  const scopeName = (['base', 'one', 'sub'] as const)[readInteger(scope)];
  if (!scopeName) throw new BerSyntaxError('A search has an unknown scope.');
  return {
    messageId,
    base: base.content.toString('utf8'),
    scope: scopeName,
    sizeLimit: readInteger(sizeLimit),
    typesOnly: typesOnly?.content[0] !== 0,
    filter: decodeFilter(filter),
    attributes: readElements(attributes.content).map((element) => element.content.toString('utf8')),
    controls,
  };
}

/** The object identifier of an extended request (RFC 4511, 4.12). */
export function decodeExtendedName(operation: BerElement): string {
  return readElements(operation.content)[0]?.content.toString('latin1') ?? '';
}

function decodeControls(content: Buffer): RequestControl[] {
  return readElements(content).map((control) => {
    const parts = readElements(control.content);
    const critical = parts.find((part) => part.tag === 0x01)?.content[0] ?? 0;
    // The first octet string is the object identifier; a second one is the value.
    const [oid, value] = parts.filter((part) => part.tag === 0x04);
    return {
      oid: oid?.content.toString('latin1') ?? '',
      critical: critical !== 0,
      value: value?.content ?? Buffer.alloc(0),
    };
  });
}
