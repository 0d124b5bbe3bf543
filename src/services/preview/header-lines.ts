/** Collects the lines of one header (RFC 5322 section 2.2), and what of them turns out to be no header at all. */
export class HeaderLines {
  readonly fields: { readonly name: string; raw: string }[] = [];
  /** Lines from the first one on that is no field, and how many fields stood before it; -1 when there is none. */
  private readonly stray: string[] = [];
  private strayFrom = -1;

  /** Takes a line without its end; false when it, and all that follows, belongs to the body. */
  add(line: string): boolean {
    const isTaken = this.addFolded(line) || this.addField(line) || this.addStray(line);
    if (isTaken && this.strayFrom >= 0) this.stray.push(line);
    return isTaken;
  }

  private addFolded(line: string): boolean {
    const last = this.fields.at(-1);
    if (!last || !(line.startsWith(' ') || line.startsWith('\t'))) return false;
    if (this.fields.length !== this.strayFrom) last.raw += ` ${line.trim()}`;
    return true;
  }

  private addField(line: string): boolean {
    const field = /^([\x21-\x39\x3b-\x7e\x80-\xff]{1,200})[ \t]*:(.*)$/s.exec(line);
    if (field?.[1]) this.fields.push({ name: field[1], raw: field[2]?.trim() ?? '' });
    return field !== null;
  }

  private addStray(line: string): boolean {
    // A line of an mbox file stands before a message; a header without a single field is text that lost its header.
    if (/^>?From /.test(line)) return true;
    if (this.fields.length === 0) return false;
    if (this.strayFrom < 0) this.strayFrom = this.fields.length;
    return true;
  }

  /**
   * Lines that are no fields are garbage when fields follow them; otherwise the blank line that ends a header is missing,
   * and they are the beginning of the body. `isCut`: no blank line came at all.
   */
  beginningOfBody(isCut: boolean): Buffer | null {
    if (this.stray.length === 0 || (!isCut && this.fields.length > this.strayFrom)) return null;
    return Buffer.from(`${this.stray.join('\r\n')}\r\n${isCut ? '' : '\r\n'}`, 'latin1');
  }
}
