/** The text form of a security identifier, such as `S-1-5-21-1-2-3-513` (MS-DTYP 2.4.2.2); null for octets that are none. */
export function sidText(octets: Buffer): string | null {
  const count = octets[1] ?? 0;
  if (octets[0] !== 1 || count < 1 || count > 15 || octets.length !== 8 + 4 * count) return null;
  const authority = octets.readUIntBE(2, 6);
  const parts = Array.from({ length: count }, (_, index) => octets.readUInt32LE(8 + 4 * index));
  return ['S', 1, authority, ...parts].join('-');
}
