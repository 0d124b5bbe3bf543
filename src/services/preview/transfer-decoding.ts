import { type PartSink } from './mime-part.js';

const NOT_BASE64 = /[^A-Za-z0-9+/=]+/g;

/** RFC 2045 section 6.8; garbage between the letters is skipped, and padding in the middle starts a new run. */
class Base64Decoding implements PartSink {
  private carry = '';

  constructor(private readonly sink: PartSink) {}

  write(bytes: Buffer): void {
    const letters = this.carry + bytes.toString('latin1').replace(NOT_BASE64, '');
    const padding = letters.indexOf('=');
    if (padding < 0) {
      const whole = letters.length - (letters.length % 4);
      this.carry = letters.slice(whole);
      if (whole > 0) this.sink.write(Buffer.from(letters.slice(0, whole), 'base64'));
      return;
    }
    const runs = letters.split(/=+/);
    this.carry = runs.pop() ?? '';
    for (const run of runs) if (run) this.sink.write(Buffer.from(run, 'base64'));
    if (this.carry.length >= 4) this.write(Buffer.alloc(0));
  }

  end(): void {
    if (this.carry) this.sink.write(Buffer.from(this.carry, 'base64'));
    this.sink.end();
  }
}

function hexValue(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

// Blanks that may stand between "=" and the line end (RFC 2045 section 6.7 rule 3) before it counts as text.
const MAX_SOFT_BREAK_BLANKS = 76;

/** RFC 2045 section 6.7; an "=" that escapes nothing is kept as text. */
class QuotedPrintableDecoding implements PartSink {
  private carry: Buffer = Buffer.alloc(0);

  constructor(private readonly sink: PartSink) {}

  write(bytes: Buffer): void {
    this.decode(this.carry.length > 0 ? Buffer.concat([this.carry, bytes]) : bytes, false);
  }

  end(): void {
    if (this.carry.length > 0) this.decode(this.carry, true);
    this.sink.end();
  }

  private decode(input: Buffer, final: boolean): void {
    this.carry = Buffer.alloc(0);
    let escape = input.indexOf(0x3d);
    if (escape < 0) {
      if (input.length > 0) this.sink.write(input);
      return;
    }
    const output = Buffer.allocUnsafe(input.length);
    let length = 0;
    let position = 0;
    while (escape >= 0) {
      length += input.copy(output, length, position, escape);
      const high = hexValue(input[escape + 1]);
      const low = hexValue(input[escape + 2]);
      position = escape + 1;
      if (high >= 0 && low >= 0) {
        output[length++] = high * 16 + low;
        position = escape + 3;
      } else {
        let next = escape + 1;
        while (input[next] === 0x20 || input[next] === 0x09 || input[next] === 0x0d) next++;
        const undecided = next >= input.length || (next === escape + 1 && high >= 0 && escape + 2 >= input.length);
        if (input[next] === 0x0a) position = next + 1;
        else if (undecided && !final && input.length - escape <= MAX_SOFT_BREAK_BLANKS) {
          this.carry = Buffer.from(input.subarray(escape));
          position = input.length;
          break;
        } else if (next >= input.length && final) position = next;
        else output[length++] = 0x3d;
      }
      escape = input.indexOf(0x3d, position);
    }
    length += input.copy(output, length, position);
    if (length > 0) this.sink.write(output.subarray(0, length));
  }
}

/** Traditional uuencode as a transfer encoding (x-uuencode), still sent by old programs. */
class UuDecoding implements PartSink {
  private carry = '';
  private begun = false;

  constructor(private readonly sink: PartSink) {}

  write(bytes: Buffer): void {
    const lines = (this.carry + bytes.toString('latin1')).split('\n');
    // A line holds at most 62 letters; an endless one is not uuencode and must not pile up.
    this.carry = (lines.pop() ?? '').slice(-100);
    for (const line of lines) this.decodeLine(line.trimEnd());
  }

  end(): void {
    this.decodeLine(this.carry.trimEnd());
    this.sink.end();
  }

  private decodeLine(line: string): void {
    if (!this.begun) {
      this.begun = /^begin [0-7]{3,4} /.test(line);
      return;
    }
    const count = (line.charCodeAt(0) - 32) & 63;
    if (!line || line === 'end' || count === 0) return;
    const output = Buffer.alloc(Math.ceil(count / 3) * 3);
    for (let group = 0, at = 1; group < output.length; group += 3, at += 4) {
      let bits = 0;
      for (let letter = 0; letter < 4; letter++)
        bits = (bits << 6) | (((line.charCodeAt(at + letter) || 32) - 32) & 63);
      output.writeUIntBE(bits & 0xffffff, group, 3);
    }
    this.sink.write(output.subarray(0, count));
  }
}

/** Puts the decoding of a Content-Transfer-Encoding in front of `sink`; unknown encodings pass unchanged. */
export function decodeTransfer(encoding: string, sink: PartSink): PartSink {
  if (encoding === 'base64') return new Base64Decoding(sink);
  if (encoding === 'quoted-printable') return new QuotedPrintableDecoding(sink);
  if (/^(x-)?uu(e|encode)?$/.test(encoding)) return new UuDecoding(sink);
  return sink;
}
