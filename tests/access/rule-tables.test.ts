import { DeliveryFormat } from '../../src/entities/delivery-format.js';
import { mailboxKey } from '../../src/entities/mailbox-key.js';
import { Permission } from '../../src/entities/permission.js';
import { GatewayAction } from '../../src/entities/vocabulary.js';
import { copyIdOf } from '../../src/services/backup/copy-id.js';
import { copyId, messageId, readCopyId, readMessageId } from '../../src/resolvers/ids.js';
import { ipKey, ipRange } from '../../src/services/backup/ip-key.js';
import { globalFilterSql, personalFilterSql } from '../../src/services/backup/message-filter.js';
import {
  BackupOrderField,
  DEFAULT_ORDER,
  encodeMessageCursor,
  type MessageOrder,
  OrderDirection,
  pageOf,
  readPage,
} from '../../src/services/backup/message-order.js';
import { initialVisibility, Visibility } from '../../src/services/backup/visibility.js';
import { decodeChangeCursor, encodeChangeCursor } from '../../src/services/changes/change-cursor.js';
import { PREDEFINED_ROLES } from '../../src/services/session/first-administrator.js';
import {
  applySwitches,
  type PersonalBackupSwitches,
} from '../../src/services/settings/personal-backup-settings-service.js';

const base64 = (text: string) => Buffer.from(text).toString('base64url');

describe('Visibility', () => {
  it.each([
    [GatewayAction.SKIP, Visibility.GLOBAL_ONLY],
    [GatewayAction.REJECT, Visibility.GLOBAL_ONLY],
    [GatewayAction.DISINFECT, Visibility.LISTED],
    [GatewayAction.DELETE_ATTACHMENT, Visibility.LISTED],
    [GatewayAction.DELETE_MESSAGE, Visibility.LISTED],
  ])('V4: a copy that met %s starts as %s', (action, visibility) => expect(initialVisibility(action)).toBe(visibility));
});

describe('Permissions', () => {
  it('V2: the predefined roles hold what their names promise, and no more', () => {
    expect(PREDEFINED_ROLES).toEqual({
      Administrator: Object.values(Permission),
      Viewer: ['BACKUP_VIEW', 'SETTINGS_VIEW', 'ACCOUNTS_VIEW'],
      Helpdesk: ['BACKUP_VIEW', 'BACKUP_READ', 'BACKUP_SEND_TO_RECIPIENTS'],
    });
  });
});

describe('The switches', () => {
  const OFF: PersonalBackupSwitches = {
    enabled: false,
    preview: true,
    deletion: true,
    sending: true,
    deliveryFormat: DeliveryFormat.IN_ATTACHMENT,
    removeMessageId: false,
    groupMailboxes: false,
  };
  const ON = { ...OFF, enabled: true };
  const AS_IS = { ...ON, deliveryFormat: DeliveryFormat.AS_IS, removeMessageId: true };

  it.each<[string, PersonalBackupSwitches, Partial<PersonalBackupSwitches>, Partial<PersonalBackupSwitches> | string]>([
    ['C1: off, another switch', OFF, { preview: false }, 'preview'],
    ['C1: off, the value it has', OFF, { preview: true }, {}],
    ['C1: on in the same change', OFF, { enabled: true, preview: false }, { enabled: true, preview: false }],
    ['C1: off in the same change', ON, { enabled: false, sending: false }, 'sending'],
    ['C1: off alone', AS_IS, { enabled: false }, { enabled: false }],
    ['C2: removal without AS_IS', ON, { removeMessageId: true }, 'removeMessageId'],
    [
      'C2: both at once',
      ON,
      { deliveryFormat: DeliveryFormat.AS_IS, removeMessageId: true },
      { deliveryFormat: DeliveryFormat.AS_IS, removeMessageId: true },
    ],
    [
      'C2: back to the attachment, removal said',
      AS_IS,
      { deliveryFormat: DeliveryFormat.IN_ATTACHMENT, removeMessageId: true },
      'removeMessageId',
    ],
    [
      'C2: back to the attachment, removal not said',
      AS_IS,
      { deliveryFormat: DeliveryFormat.IN_ATTACHMENT },
      { deliveryFormat: DeliveryFormat.IN_ATTACHMENT, removeMessageId: false },
    ],
    ['C1 before C2', OFF, { removeMessageId: true }, 'removeMessageId'],
  ])('%s', (_what, current, change, outcome) => {
    if (typeof outcome === 'string') {
      expect(() => applySwitches(current, change)).toThrow(
        expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field: outcome } }),
      );
    } else expect(applySwitches(current, change)).toEqual({ ...current, ...outcome });
  });
});

describe('Mailbox keys', () => {
  it.each([
    ['Anna@Example.COM', 'anna@example.com'],
    [' <Anna@example.com> ', 'anna@example.com'],
    ['JO\u0308RG@example.com', 'j\u00f6rg@example.com'],
    ['info@M\u00dcLLER.example', 'info@m\u00fcller.example'],
    ['info@xn--mller-kva.example', 'info@m\u00fcller.example'],
    ['"a@b"@example.com', '"a@b"@example.com'],
    ['user@[192.0.2.1]', 'user@[192.0.2.1]'],
    ['postmaster', 'postmaster'],
    ['', ''],
    [`${'x'.repeat(400)}@example.com`, 'x'.repeat(320)],
  ])('V5: %j is compared as %j', (address, key) => {
    expect(mailboxKey(address)).toBe(key);
    expect(mailboxKey(mailboxKey(address))).toBe(key);
  });
});

describe('IP addresses', () => {
  const V4 = `${'0'.repeat(20)}ffff`;
  it.each<[string, string | null]>([
    ['192.0.2.1', `${V4}c0000201`],
    ['::ffff:192.0.2.1', `${V4}c0000201`],
    ['[IPv6:2001:db8::1]', '20010db8000000000000000000000001'],
    ['2001:DB8:0:0:0:0:0:1', '20010db8000000000000000000000001'],
    ['::', '0'.repeat(32)],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
    ['256.0.0.1', null],
    ['192.0.2', null],
    ['1::2::3', null],
    ['example.com', null],
    ['', null],
  ])('%s has the key %s', (address, key) => expect(ipKey(address)).toBe(key));

  it.each<[string, { first: string; last: string } | null]>([
    ['192.0.2.77', { first: `${V4}c000024d`, last: `${V4}c000024d` }],
    ['192.0.2.77/24', { first: `${V4}c0000200`, last: `${V4}c00002ff` }],
    ['192.0.2.77/31', { first: `${V4}c000024c`, last: `${V4}c000024d` }],
    ['0.0.0.0/0', { first: `${V4}00000000`, last: `${V4}ffffffff` }],
    ['2001:db8::/32', { first: `20010db8${'0'.repeat(24)}`, last: `20010db8${'f'.repeat(24)}` }],
    ['::/0', { first: '0'.repeat(32), last: 'f'.repeat(32) }],
    [' 192.0.2.0/24 ', { first: `${V4}c0000200`, last: `${V4}c00002ff` }],
    ['192.0.2.0/33', null],
    ['2001:db8::/129', null],
    ['192.0.2.0/', null],
    ['192.0.2.0/-1', null],
    ['192.0.2.0/8/8', null],
    ['192.0.2.0/24x', null],
    ['/24', null],
  ])('%s is the range %j', (text, range) => expect(ipRange(text)).toEqual(range));
});

describe('Cursors of the change feed', () => {
  const cursor = { epoch: '123e4567-e89b-42d3-a456-426614174000', place: 42 };
  it('come back as they were', () => expect(decodeChangeCursor(encodeChangeCursor(cursor))).toEqual(cursor));
  it.each([
    '',
    'x',
    base64('42'),
    base64(`${cursor.epoch}/`),
    base64(`${cursor.epoch}/-1`),
    base64(`${cursor.epoch}/1e3`),
    base64(`${cursor.epoch}/${'9'.repeat(16)}`),
    base64(`x${cursor.epoch}/1`),
  ])('%j is none', (text) =>
    expect(() => decodeChangeCursor(text)).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field: 'after' } }),
    ),
  );
});

describe('Ids', () => {
  it('come back as they were, each kind from its own', () => {
    expect(readMessageId(messageId(7))).toBe(7);
    const copy = { messageId: 7, mailbox: 'a@b.example' };
    expect(readCopyId(copyId(copy))).toEqual(copyIdOf(copy));
    expect(readCopyId(messageId(7))).toBeUndefined();
    expect(readMessageId(copyId(copy))).toBeUndefined();
  });
  it.each([
    '',
    'x',
    base64('message:'),
    base64('message:-1'),
    base64('message:1.5'),
    base64(`message:${'9'.repeat(16)}`),
    base64('message:1 OR 1=1'),
    base64('xmessage:1'),
  ])('%j is none', (id) => expect(readMessageId(id)).toBeUndefined());
});

describe('Pages of lists', () => {
  const order = (field: BackupOrderField): MessageOrder => ({ field, direction: OrderDirection.ASC });
  const place = { value: 5, messageId: 9 };

  it('are the first 50 when nothing is said', () =>
    expect(readPage(DEFAULT_ORDER, {})).toEqual({ order: DEFAULT_ORDER, size: 50, backward: false, from: null }));
  it.each(Object.values(BackupOrderField))('continue behind a cursor of the order by %s, and of no other', (field) => {
    const text = field === BackupOrderField.SENDER || field === BackupOrderField.SUBJECT;
    const cursor = { ...place, value: text ? 'five' : 5 };
    const after = encodeMessageCursor(order(field), cursor);
    expect(readPage(order(field), { first: 3, after })).toEqual({
      order: order(field),
      size: 3,
      backward: false,
      from: cursor,
    });
    expect(readPage(order(field), { last: 3, before: after })).toMatchObject({ backward: true, size: 3, from: cursor });
    for (const other of Object.values(BackupOrderField))
      if (other !== field) expect(() => readPage(order(other), { after })).toThrow(/no cursor of this list and order/);
  });
  it.each<[string, Parameters<typeof readPage>[1], string]>([
    ['a page too large', { first: 201 }, 'first'],
    ['a negative page', { first: -1 }, 'first'],
    ['a page too large from the end', { last: 201 }, 'last'],
    ['both ends', { first: 1, last: 1 }, 'last'],
    ['first with before', { first: 1, before: 'x' }, 'before'],
    ['last with after', { last: 1, after: 'x' }, 'after'],
    ['no base64', { after: '%%%' }, 'after'],
    ['nothing', { after: '' }, 'after'],
    ['nothing before', { before: '' }, 'before'],
    ['no array', { after: base64('{"0":"RECEIVED_AT","1":1,"2":2}') }, 'after'],
    ['too little', { after: base64('["RECEIVED_AT",1]') }, 'after'],
    ['a text for a number', { after: base64('["RECEIVED_AT","1",2]') }, 'after'],
    ['a fraction', { after: base64('["RECEIVED_AT",1.5,2]') }, 'after'],
    ['an object for SQL', { after: base64('["RECEIVED_AT",{"toString":"x"},2]') }, 'after'],
  ])('refuse %s and name the argument', (_what, page, field) => {
    expect(() => readPage(DEFAULT_ORDER, page)).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field } }),
    );
  });
  it('tell what lies around them', () => {
    const from = encodeMessageCursor(DEFAULT_ORDER, place);
    expect(pageOf(readPage(DEFAULT_ORDER, { first: 2 }), [1, 2, 3])).toEqual({
      items: [1, 2],
      hasNextPage: true,
      hasPreviousPage: false,
    });
    expect(pageOf(readPage(DEFAULT_ORDER, { first: 2, after: from }), [1])).toEqual({
      items: [1],
      hasNextPage: false,
      hasPreviousPage: true,
    });
    expect(pageOf(readPage(DEFAULT_ORDER, { last: 2, before: from }), [3, 2, 1])).toEqual({
      items: [2, 3],
      hasNextPage: true,
      hasPreviousPage: true,
    });
    expect(pageOf(readPage(DEFAULT_ORDER, { first: 0 }), [1])).toEqual({
      items: [],
      hasNextPage: true,
      hasPreviousPage: false,
    });
  });
});

describe('Filters', () => {
  it('without criteria narrow nothing', () => {
    for (const filter of [{}, { sender: null, sent: undefined }]) {
      expect(globalFilterSql(filter)).toEqual({ condition: '', parameters: [] });
      expect(personalFilterSql(filter)).toEqual({ condition: '', parameters: [] });
    }
  });
  it('never put what clients write into the statement', () => {
    const text = "x'; DROP TABLE message; -- %_!";
    const { condition, parameters } = globalFilterSql({
      sender: text,
      subject: text,
      recipient: text,
      node: text,
      gatewayMessageId: text,
      smtpMessageId: text,
    });
    expect(condition).not.toContain('DROP');
    expect(condition.split('?').length - 1).toBe(parameters.length);
    expect(parameters).toContain("%x'; drop table message; -- !%!_!!%");
    expect(parameters).toContain(text);
  });
  it.each(['300.0.0.1', 'x', '', '10.0.0.0/99'])('refuse %j as an address', (senderIp) => {
    expect(() => globalFilterSql({ senderIp })).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field: 'filter.senderIp' } }),
    );
  });
  it('S4: people are filtered by their own action and verdict, administrators by those of the message', () => {
    const filter = { action: GatewayAction.DISINFECT, sent: true };
    expect(personalFilterSql(filter).condition).toMatch(/r\.action = \?.*r\.sent_at/);
    expect(globalFilterSql(filter).condition).toMatch(/m\.action = \?.*m\.sent_at/);
  });
});
