import { BadInputError } from '../../errors.js';

/** What lists can be ordered by. */
export enum BackupOrderField {
  RECEIVED_AT = 'RECEIVED_AT',
  SIZE = 'SIZE',
  SENDER = 'SENDER',
  SUBJECT = 'SUBJECT',
}

/** Which way a list runs. */
export enum OrderDirection {
  ASC = 'ASC',
  DESC = 'DESC',
}

/** The order of a list; messages that compare equal follow in the order of their ids. */
export interface MessageOrder {
  readonly field: BackupOrderField;
  readonly direction: OrderDirection;
}

/** Newest first. */
export const DEFAULT_ORDER: MessageOrder = { field: BackupOrderField.RECEIVED_AT, direction: OrderDirection.DESC };

/** The column behind each order; none of them is ever null. */
export const ORDER_COLUMNS: Readonly<Record<BackupOrderField, string>> = {
  [BackupOrderField.RECEIVED_AT]: 'received_at',
  [BackupOrderField.SIZE]: 'size_bytes',
  [BackupOrderField.SENDER]: 'sender_key',
  [BackupOrderField.SUBJECT]: 'subject_key',
};

/** A place in an ordered list: the values of the last row seen. */
export interface MessageCursor {
  readonly value: string | number;
  readonly messageId: number;
}

/** Which part of a list is asked for (Relay cursor connections). */
export interface PageArguments {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
}

/** A page that was asked for, checked. */
export interface Page {
  readonly order: MessageOrder;
  readonly size: number;
  readonly backward: boolean;
  readonly from: MessageCursor | null;
}

/** Most messages in one page; stops requests that would take the memory of many. */
export const MAX_PAGE_SIZE = 200;
/** Messages in a page when nothing else is asked for. */
export const DEFAULT_PAGE_SIZE = 50;

const TEXT_FIELDS: ReadonlySet<BackupOrderField> = new Set([BackupOrderField.SENDER, BackupOrderField.SUBJECT]);

/** The opaque text of a place; it holds only what the list itself shows. */
export function encodeMessageCursor(order: MessageOrder, cursor: MessageCursor): string {
  return Buffer.from(JSON.stringify([order.field, cursor.value, cursor.messageId])).toString('base64url');
}

function decodeMessageCursor(order: MessageOrder, text: string, field: string): MessageCursor {
  const refusal = () =>
    new BadInputError(
      field,
      `${field} is no cursor of this list and order. Use one that the list gave, or leave it out.`,
    );
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    throw refusal();
  }
  if (!Array.isArray(parsed)) throw refusal();
  const [orderField, value, messageId] = parsed as unknown[];
  const typeFits = TEXT_FIELDS.has(order.field) ? typeof value === 'string' : Number.isSafeInteger(value);
  if (orderField !== order.field || !typeFits || !Number.isSafeInteger(messageId)) throw refusal();
  return { value: value as string | number, messageId: messageId as number };
}

function pageSize(value: number | null | undefined, field: string): number {
  if (value === null || value === undefined) return DEFAULT_PAGE_SIZE;
  if (value < 0 || value > MAX_PAGE_SIZE)
    throw new BadInputError(field, `${field} must be 0 to ${MAX_PAGE_SIZE}. Ask for further pages with a cursor.`);
  return value;
}

/** Checks what part of a list is asked for; throws {@link BadInputError} naming the argument. */
export function readPage(order: MessageOrder, page: PageArguments): Page {
  const given = (value: unknown) => value !== null && value !== undefined;
  if (given(page.last) || given(page.before)) {
    if (given(page.first) && given(page.last))
      throw new BadInputError('last', 'first and last cannot be given together.');
    if (given(page.after)) throw new BadInputError('after', 'after goes with first; before goes with last.');
    if (given(page.first)) throw new BadInputError('before', 'before goes with last; after goes with first.');
    return {
      order,
      backward: true,
      size: pageSize(page.last, 'last'),
      from: typeof page.before === 'string' ? decodeMessageCursor(order, page.before, 'before') : null,
    };
  }
  return {
    order,
    backward: false,
    size: pageSize(page.first, 'first'),
    from: typeof page.after === 'string' ? decodeMessageCursor(order, page.after, 'after') : null,
  };
}

/** SQL pieces of one page, for a table whose alias and order column are given. */
export interface PageSql {
  readonly condition: string;
  readonly parameters: readonly (string | number)[];
  readonly orderBy: string;
}

/**
 * The condition and order that lead to a page by its key. The bare bound on the first column comes in front, because
 * neither database takes an index range from a comparison of rows or from an OR.
 */
export function pageSql(page: Page, column: string, idColumn: string): PageSql {
  const descending = (page.order.direction === OrderDirection.DESC) !== page.backward;
  const direction = descending ? 'DESC' : 'ASC';
  const orderBy = `${column} ${direction}, ${idColumn} ${direction}`;
  if (!page.from) return { condition: '', parameters: [], orderBy };
  const [bound, beyond] = descending ? ['<=', '<'] : ['>=', '>'];
  return {
    condition: ` AND ${column} ${bound} ? AND (${column} ${beyond} ? OR ${idColumn} ${beyond} ?)`,
    parameters: [page.from.value, page.from.value, page.from.messageId],
    orderBy,
  };
}

/** A page of a list, with what lies around it. */
export interface PageOf<Item> {
  readonly items: readonly Item[];
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
}

/** Makes a page of rows that were read in reading order, one more than asked for. */
export function pageOf<Item>(page: Page, rows: readonly Item[]): PageOf<Item> {
  const more = rows.length > page.size;
  const items = rows.slice(0, page.size);
  if (page.backward) return { items: items.reverse(), hasNextPage: page.from !== null, hasPreviousPage: more };
  return { items, hasNextPage: more, hasPreviousPage: page.from !== null };
}
