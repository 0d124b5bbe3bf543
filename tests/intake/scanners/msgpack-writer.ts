/** Writes values as MessagePack the way rspamd's UCL does: strings for everything textual, the message too. */
export function msgpack(value: unknown): Buffer {
  if (value === null || value === undefined) return Buffer.from([0xc0]);
  if (typeof value === 'boolean') return Buffer.from([value ? 0xc3 : 0xc2]);
  if (typeof value === 'number') {
    if (Number.isInteger(value) && value >= 0 && value < 128) return Buffer.from([value]);
    if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) return sized(0xce, 4, value);
    const bytes = Buffer.alloc(9);
    bytes[0] = 0xcb;
    bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  if (typeof value === 'string' || Buffer.isBuffer(value)) {
    const bytes = Buffer.from(value as string);
    const head =
      bytes.length < 32
        ? Buffer.from([0xa0 | bytes.length])
        : bytes.length < 256
          ? sized(0xd9, 1, bytes.length)
          : sized(0xdb, 4, bytes.length);
    return Buffer.concat([head, bytes]);
  }
  if (Array.isArray(value))
    return Buffer.concat([
      value.length < 16 ? Buffer.from([0x90 | value.length]) : sized(0xdc, 2, value.length),
      ...value.map(msgpack),
    ]);
  const entries = Object.entries(value as Record<string, unknown>);
  const head = entries.length < 16 ? Buffer.from([0x80 | entries.length]) : sized(0xde, 2, entries.length);
  return Buffer.concat([head, ...entries.flatMap(([key, item]) => [msgpack(key), msgpack(item)])]);
}

function sized(type: number, width: number, value: number): Buffer {
  const bytes = Buffer.alloc(1 + width);
  bytes[0] = type;
  bytes.writeUIntBE(value, 1, width);
  return bytes;
}
