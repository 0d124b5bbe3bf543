import {
  AndFilter,
  ApproximateFilter,
  EqualityFilter,
  ExtensibleFilter,
  GreaterThanEqualsFilter,
  LessThanEqualsFilter,
  NotFilter,
  OrFilter,
  PresenceFilter,
  SubstringFilter,
  type Filter,
} from 'ldapts';
import { BadInputError } from '../errors.js';

// Deeper or longer filters are an attack on the stack or on the directory, not a setting.
const MAX_DEPTH = 30;
const MAX_LENGTH = 4000;

const COMPARISON = /^(?<attribute>[A-Za-z0-9][A-Za-z0-9.;-]*)?(?<operator>=|>=|<=|~=|(?::dn)?(?::[A-Za-z0-9.-]+)?:=)/;

class FilterSyntaxError extends Error {}

/**
 * Reads a filter as RFC 4515 writes it, with spaces and line breaks between its parts; throws a {@link BadInputError}
 * that names the field. ldapts has a parser too, but it sends escaped letters outside ASCII wrongly.
 */
export function requireFilter(field: string, text: string): Filter {
  try {
    if (text.length > MAX_LENGTH) throw new FilterSyntaxError(`it is longer than ${MAX_LENGTH} characters`);
    const reader = new FilterReader(text);
    const filter = reader.read(0);
    reader.end();
    return filter;
  } catch (error) {
    if (!(error instanceof FilterSyntaxError)) throw error;
    throw new BadInputError(
      field,
      `${field} is not an LDAP filter: ${error.message}. Write it like (&(objectClass=person)(mail=*)).`,
    );
  }
}

class FilterReader {
  private position = 0;

  constructor(private readonly text: string) {}

  read(depth: number): Filter {
    if (depth > MAX_DEPTH) throw new FilterSyntaxError(`it is nested deeper than ${MAX_DEPTH}`);
    this.expect('(');
    this.skipSpace();
    const operator = this.text[this.position];
    if (operator === '&' || operator === '|') {
      this.position++;
      const filters: Filter[] = [];
      for (this.skipSpace(); this.text[this.position] === '('; this.skipSpace()) filters.push(this.read(depth + 1));
      if (filters.length === 0) throw new FilterSyntaxError(`nothing follows "${operator}" at ${this.position}`);
      this.expect(')');
      return operator === '&' ? new AndFilter({ filters }) : new OrFilter({ filters });
    }
    if (operator === '!') {
      this.position++;
      this.skipSpace();
      const filter = this.read(depth + 1);
      this.skipSpace();
      this.expect(')');
      return new NotFilter({ filter });
    }
    return this.readComparison();
  }

  end(): void {
    this.skipSpace();
    if (this.position < this.text.length) throw new FilterSyntaxError(`something follows its end at ${this.position}`);
  }

  private readComparison(): Filter {
    const close = this.text.indexOf(')', this.position);
    if (close < 0) throw new FilterSyntaxError('a ")" is missing');
    const item = this.text.slice(this.position, close);
    if (item.includes('('))
      throw new FilterSyntaxError(`a "(" at ${this.position + item.indexOf('(')} is not escaped as \\28`);
    this.position = close + 1;
    const match = COMPARISON.exec(item);
    const { attribute = '', operator = '' } = match?.groups ?? {};
    if (!match || (attribute === '' && !operator.startsWith(':')))
      throw new FilterSyntaxError(`"${item}" is no comparison`);
    return compare(attribute, operator, item.slice(match[0].length));
  }

  private expect(character: string): void {
    this.skipSpace();
    if (this.text[this.position] !== character)
      throw new FilterSyntaxError(`a "${character}" is missing at ${this.position}`);
    this.position++;
  }

  private skipSpace(): void {
    while (/\s/.test(this.text[this.position] ?? '')) this.position++;
  }
}

function compare(attribute: string, operator: string, value: string): Filter {
  if (operator === '=' && value === '*') return new PresenceFilter({ attribute });
  if (operator === '=' && value.includes('*')) {
    const pieces = value.split('*').map((piece) => unescapeText(piece));
    return new SubstringFilter({
      attribute,
      initial: pieces[0] ?? '',
      any: pieces.slice(1, -1).filter(Boolean),
      final: pieces.at(-1) ?? '',
    });
  }
  if (operator === '=') return new EqualityFilter({ attribute, value: unescape(value) });
  const text = unescapeText(value);
  if (operator === '>=') return new GreaterThanEqualsFilter({ attribute, value: text });
  if (operator === '<=') return new LessThanEqualsFilter({ attribute, value: text });
  if (operator === '~=') return new ApproximateFilter({ attribute, value: text });
  const [first = '', second = ''] = operator
    .slice(1, -1)
    .split(':')
    .filter((part) => part !== '');
  const dnAttributes = first === 'dn';
  return new ExtensibleFilter({ matchType: attribute, dnAttributes, rule: dnAttributes ? second : first, value: text });
}

function unescape(value: string): Buffer {
  const parts = value.split('\\');
  const buffers = [Buffer.from(parts[0] ?? '', 'utf8')];
  for (const part of parts.slice(1)) {
    if (!/^[0-9A-Fa-f]{2}/.test(part)) throw new FilterSyntaxError('a backslash is not followed by two hex digits');
    buffers.push(Buffer.from(part.slice(0, 2), 'hex'), Buffer.from(part.slice(2), 'utf8'));
  }
  return Buffer.concat(buffers);
}

function unescapeText(value: string): string {
  const bytes = unescape(value);
  const text = bytes.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(bytes))
    throw new FilterSyntaxError('octets that are no UTF-8 are only possible with "="');
  return text;
}
