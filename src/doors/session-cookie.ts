import type { IncomingMessage } from 'node:http';
import type { Response } from 'express';
import type { SessionCookie } from '../resolvers/context.js';

/** How the session cookie is named and guarded; `secure` where clients come over https. */
export interface CookiePolicy {
  readonly secure: boolean;
}

// With the prefix browsers refuse the cookie unless it is Secure, for the whole host and without a domain (RFC 6265bis, 4.1.3.2).
const nameOf = ({ secure }: CookiePolicy) => (secure ? '__Host-mailkeep' : 'mailkeep');

/** The session token of a request: a bearer token (RFC 6750), else the cookie (RFC 6265). */
export function sessionToken(request: IncomingMessage, policy: CookiePolicy): string | undefined {
  const [scheme = '', token] = (request.headers.authorization ?? '').split(/ +/, 2);
  if (scheme.toLowerCase() === 'bearer' && token) return token;
  const prefix = `${nameOf(policy)}=`;
  return request.headers.cookie
    ?.split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(prefix))
    ?.slice(prefix.length);
}

/** Sets and clears the cookie on a response: HttpOnly keeps scripts away, SameSite keeps other sites' requests without it. */
export function sessionCookie(response: Response, policy: CookiePolicy): SessionCookie {
  const options = { httpOnly: true, sameSite: 'strict', secure: policy.secure, path: '/' } as const;
  return {
    // No expiry: the browser forgets it when it closes, the server ends it sooner.
    set: (token) => void response.cookie(nameOf(policy), token, options),
    clear: () => void response.clearCookie(nameOf(policy), options),
  };
}
