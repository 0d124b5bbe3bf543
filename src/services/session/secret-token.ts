import { hash, randomBytes } from 'node:crypto';

/** A fresh random secret of 256 bits, URL-safe. */
export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

/** What is stored of a secret: its SHA-256, hexadecimal; the secret is too random for guessing to need a slower hash. */
export function tokenHash(token: string): string {
  return hash('sha256', token, 'hex');
}
