/** A part of a content: first byte and how many. */
export interface ByteRange {
  readonly first: number;
  readonly length: number;
}

/**
 * The range that a Range header asks for (RFC 9110, 14.1.2). One range is answered; of what cannot be understood, or
 * asks for several, the whole is given. `UNSATISFIABLE` when the range lies outside of the content (416).
 */
export function readByteRange(header: string | undefined, sizeBytes: number): ByteRange | 'WHOLE' | 'UNSATISFIABLE' {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header?.trim() ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return 'WHOLE';
  if (match[1] === '') {
    const length = Math.min(Number(match[2]), sizeBytes);
    return length === 0 ? 'UNSATISFIABLE' : { first: sizeBytes - length, length };
  }
  const first = Number(match[1]);
  if (match[2] !== '' && Number(match[2]) < first) return 'WHOLE';
  if (first >= sizeBytes) return 'UNSATISFIABLE';
  const last = match[2] === '' ? sizeBytes - 1 : Math.min(Number(match[2]), sizeBytes - 1);
  return { first, length: last - first + 1 };
}

/** Some of the bytes of a source, read from its start; an error when it ends too early, as a content does that is deleted meanwhile. */
export async function* sliceBytes(source: AsyncIterable<Buffer>, { first, length }: ByteRange): AsyncGenerator<Buffer> {
  let skip = first;
  let rest = length;
  for await (const chunk of source) {
    if (rest === 0) return;
    const piece = chunk.subarray(Math.min(skip, chunk.length)).subarray(0, rest);
    skip = Math.max(0, skip - chunk.length);
    rest -= piece.length;
    if (piece.length > 0) yield piece;
  }
  if (rest > 0) throw new Error(`The content ended ${rest} bytes too early.`);
}
