/**
 * The text form of an objectGUID, such as `6f9619ff-8b86-d011-b42d-00cf4fc964ff`: the first three groups are stored
 * with the lowest byte first (MS-DTYP 2.3.4.2). Answers null for anything but 16 bytes.
 */
export function guidText(bytes: Uint8Array): string | null {
  if (bytes.length !== 16) return null;
  const hex = Buffer.from(bytes).toString('hex');
  const pairs = hex.match(/../g) as string[];
  const pick = (...indexes: number[]): string => indexes.map((index) => pairs[index]).join('');
  return `${pick(3, 2, 1, 0)}-${pick(5, 4)}-${pick(7, 6)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The 16 bytes of an objectGUID in the order in which the directory stores them; throws a RangeError for other text. */
export function guidBytes(text: string): Buffer {
  const match = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/i.exec(text);
  if (!match) throw new RangeError('A GUID has the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx.');
  const [, first, second, third, fourth, fifth] = match as unknown as [string, string, string, string, string, string];
  const swapped = [first, second, third].map((group) => Buffer.from(group, 'hex').reverse());
  return Buffer.concat([...swapped, Buffer.from(fourth + fifth, 'hex')]);
}
