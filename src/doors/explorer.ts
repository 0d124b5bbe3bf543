import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import express, { type Response, Router } from 'express';

/** Where the build puts the bundle; the same place seen from src/ and from dist/. */
const BUNDLE_DIRECTORY = join(__dirname, '..', '..', 'dist', 'explorer');

const ONE_YEAR_SECONDS = 365 * 24 * 60 * 60;
const HASHED_NAME = /-[A-Z0-9]{8}\.(?:js|css)(?:\.gz)?$/;
/** Host and port as a policy may name them; anything else in a Host header is an attempt to write policy. IPv6 is left to 'self'. */
const PLAIN_HOST = /^[a-z0-9.-]+(?::\d{1,5})?$/i;

/** Options of {@link explorerRouter}. */
export interface ExplorerOptions {
  /** Folder that scripts/build-explorer.mjs has written. */
  readonly directory?: string;
}

/**
 * The explorer's Content-Security-Policy: its own scripts and workers, its own API over HTTP and WebSocket, and nothing
 * from anywhere else. Frames that show mail inherit it and narrow it further (rule P4); images are data: only because
 * results hold addresses that senders chose, and the editor shows a picture behind an address pointed at.
 */
export function explorerPolicy(host: string | undefined): string {
  // Browsers before 2022 do not count ws: as 'self'.
  const sockets = host !== undefined && PLAIN_HOST.test(host) ? ` ws://${host} wss://${host}` : '';
  return [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    `connect-src 'self'${sockets}`,
    'img-src data:',
    // The code editor positions its lines with generated style elements.
    "style-src 'self' 'unsafe-inline'",
    'font-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function protect(response: Response, host: string | undefined): void {
  response.set({
    'Content-Security-Policy': explorerPolicy(host),
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
  });
}

const NOT_BUILT = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Explorer not built</title></head>
<body><h1>The explorer is not built</h1>
<p>Run <code>npm run build</code> on the server, then reload this page. The API itself works without it at <code>/graphql</code>.</p>
</body></html>
`;

/** Serves the self-hosted GraphQL explorer; mount it at /explorer. Answers 503 with the way out while the bundle is missing. */
export function explorerRouter({ directory = BUNDLE_DIRECTORY }: ExplorerOptions = {}): Router {
  const router = Router({ strict: true });
  const compressed = new Set(
    existsSync(directory) ? readdirSync(directory).filter((file) => file.endsWith('.gz')) : [],
  );

  router.use((request, response, next) => {
    protect(response, request.headers.host);
    // The page names its files relative to itself, which needs the closing slash.
    if (request.originalUrl.split('?')[0] === request.baseUrl) {
      // Relative, so that it also holds below a path prefix that a reverse proxy has cut off.
      response.redirect(308, `${basename(request.baseUrl)}/`);
      return;
    }
    const file = request.path.slice(1);
    if (compressed.has(`${file}.gz`)) {
      response.vary('Accept-Encoding');
      if (request.acceptsEncodings('gzip')) {
        response.type(file.endsWith('.css') ? 'css' : 'js').set('Content-Encoding', 'gzip');
        request.url = `/${file}.gz`;
      }
    }
    next();
  });

  router.use(
    express.static(directory, {
      redirect: false,
      setHeaders: (response, path) => {
        const caching = HASHED_NAME.test(path) ? `public, max-age=${ONE_YEAR_SECONDS}, immutable` : 'no-cache';
        response.setHeader('Cache-Control', caching);
      },
    }),
  );

  router.get('/', (_request, response) => {
    response.status(503).set('Cache-Control', 'no-store').type('html').send(NOT_BUILT);
  });
  return router;
}
