import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const VERSION = 'v1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Keys for what this installation keeps secret, derived from one configured key (RFC 5869), one for each purpose. */
export class SecretBox {
  constructor(private readonly secretKey: string) {}

  /** Encrypts a credential (AES-256-GCM) for a place, such as "ldap-connection:3"; it can be opened for that place only. */
  seal(secret: string, place: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key('seal'), nonce).setAAD(Buffer.from(place));
    const sealed = Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `${VERSION}:${sealed.toString('base64')}`;
  }

  /** Decrypts what {@link seal} made; throws when the key is another one or the text was changed. */
  open(sealed: string, place: string): string {
    const [version, text = ''] = sealed.split(':');
    const bytes = Buffer.from(text, 'base64');
    if (version !== VERSION || bytes.length < NONCE_BYTES + TAG_BYTES)
      throw new Error('A stored credential has an unknown form.');
    const decipher = createDecipheriv('aes-256-gcm', this.#key('seal'), bytes.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(place))
      .setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)).toString('utf8') + decipher.final('utf8');
    } catch (cause) {
      throw new Error(
        'A stored credential cannot be opened: the configured secretKey is not the one it was stored with.',
        { cause },
      );
    }
  }

  /** A signature for links and marks (HMAC-SHA-256, base64url), bound to its purpose. */
  sign(purpose: string, text: string): string {
    return createHmac('sha256', this.#key(purpose)).update(text).digest('base64url');
  }

  /** Whether {@link sign} made this signature; takes the same time for every wrong one. */
  verify(purpose: string, text: string, signature: string): boolean {
    const expected = Buffer.from(this.sign(purpose, text));
    const given = Buffer.from(signature);
    return given.length === expected.length && timingSafeEqual(given, expected);
  }

  #key(purpose: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.secretKey, 'mailkeep', purpose, 32));
  }
}

/** The configured key, or the one of the data folder, made at the first start and readable by the owner only. */
export function loadSecretKey(configured: string, dataDir: string): string {
  if (configured) return configured;
  const file = join(dataDir, 'secret.key');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  if (!existsSync(file)) {
    // Several processes may start at once: one gives its file the name, whole, and all read that one.
    const own = `${file}.${randomBytes(6).toString('hex')}`;
    writeFileSync(own, randomBytes(48).toString('base64url'), { flag: 'wx', mode: 0o600 });
    try {
      linkSync(own, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      unlinkSync(own);
    }
  }
  return readFileSync(file, 'utf8').trim();
}
