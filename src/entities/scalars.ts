import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql';

const refuse = (message: string): never => {
  throw new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT' } });
};

const textOf = (node: ValueNode, message: string): string => (node.kind === Kind.STRING ? node.value : refuse(message));

// RFC 3339 with seconds; fractions and offsets as that RFC has them.
const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
const DATE_TIME_REFUSAL = 'DateTime must be a moment as RFC 3339 writes it, such as 2026-01-31T08:15:00.000Z.';

function parseDateTime(value: unknown): Date {
  const match = typeof value === 'string' ? RFC_3339.exec(value) : null;
  if (!match) return refuse(DATE_TIME_REFUSAL);
  const date = new Date(match[0].toUpperCase());
  // Date carries the 31st of a short month into the next one.
  const dayExists =
    new Date(Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3]))).getUTCDate() === Number(match[3]);
  return Number.isNaN(date.getTime()) || !dayExists ? refuse(DATE_TIME_REFUSAL) : date;
}

/** A moment, as RFC 3339 writes it, UTC, with milliseconds; inside the program a Date or ms since 1970 UTC. */
export const DateTimeScalar = new GraphQLScalarType<Date, string>({
  name: 'DateTime',
  description: 'A moment as RFC 3339 writes it; answers are in UTC with milliseconds.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339',
  serialize: (value) => new Date(value as number | Date).toISOString(),
  parseValue: parseDateTime,
  parseLiteral: (node) => parseDateTime(textOf(node, DATE_TIME_REFUSAL)),
});

const ADDRESS_REFUSAL = 'EmailAddress must be a mail address such as anna@example.com, of at most 320 characters.';

function parseAddress(value: unknown): string {
  // Only what could break a protocol or an index is refused; which addresses exist is for mail servers to know.

  const valid =
    typeof value === 'string' && value.length <= 320 && /^[^\x00-\x20\x7f<>]+@[^\x00-\x20\x7f<>@]+$/.test(value);
  return valid ? value : refuse(ADDRESS_REFUSAL);
}

/** A mail address as RFC 5321 and RFC 6531 have it, without angle brackets; answers give addresses as the gateway gave them. */
export const EmailAddressScalar = new GraphQLScalarType<string, string>({
  name: 'EmailAddress',
  description:
    'A mail address (RFC 5321, RFC 6531) without angle brackets; in answers exactly as the gateway or the directory gave it.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc5321',
  serialize: String,
  parseValue: parseAddress,
  parseLiteral: (node) => parseAddress(textOf(node, ADDRESS_REFUSAL)),
});

const BYTES_REFUSAL = 'ByteCount must be a whole number of bytes from 0 to 9007199254740991.';

const parseBytes = (value: unknown): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : refuse(BYTES_REFUSAL);

/** A number of bytes, whole, up to 2^53-1. */
export const ByteCountScalar = new GraphQLScalarType<number, number>({
  name: 'ByteCount',
  description: 'A whole number of bytes from 0 to 2^53-1.',
  serialize: Number,
  parseValue: parseBytes,
  parseLiteral: (node) => parseBytes(node.kind === Kind.INT ? Number(node.value) : undefined),
});

const CURSOR_REFUSAL = 'ChangeCursor must be a text that an answer or an event gave.';
const parseCursor = (value: unknown): string =>
  typeof value === 'string' && value.length <= 200 ? value : refuse(CURSOR_REFUSAL);

/** An opaque place in the change feed. */
export const ChangeCursorScalar = new GraphQLScalarType<string, string>({
  name: 'ChangeCursor',
  description: 'An opaque place in the change feed; subscriptions continue behind it.',
  serialize: String,
  parseValue: parseCursor,
  parseLiteral: (node) => parseCursor(textOf(node, CURSOR_REFUSAL)),
});
