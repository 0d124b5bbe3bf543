import { Ber, BerWriter, Control, PagedResultsControl } from 'ldapts';

/** The request for one page of a search (RFC 2696); ldapts accepts its own page control only from itself. */
export class PageRequest extends Control {
  constructor(
    private readonly size: number,
    private readonly cookie: Buffer | undefined,
  ) {
    // Critical: a server that cannot page must say so instead of cutting the answer.
    super(PagedResultsControl.type, { critical: true });
  }

  protected override writeControl(writer: BerWriter): void {
    const value = new BerWriter();
    value.startSequence();
    value.writeInt(this.size);
    if (this.cookie) value.writeBuffer(this.cookie, Ber.OctetString);
    else value.writeString('');
    value.endSequence();
    writer.writeBuffer(value.buffer, Ber.OctetString);
  }
}
