import { EventEmitter, on } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo } from 'node:net';
import { ApolloServer, type BaseContext } from '@apollo/server';
import { expressMiddleware } from '@as-integrations/express5';
import express, { type Response } from 'express';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { explorerRouter } from '../../src/doors/explorer.js';

/** The part of the API that the explorer itself relies on, with the names of the product's schema. */
const schema = buildSchema(/* GraphQL */ `
  type Query {
    "Who is signed in."
    viewer: Viewer
    mail: Mail!
  }
  type Viewer {
    name: String!
    login: String!
    permissions: [String!]!
  }
  type Mail {
    subject: String!
    preview: Preview!
  }
  type Preview {
    mode: String!
    content: String!
    blockedRemoteResources: Int!
    truncated: Boolean!
  }
  input SignInInput {
    login: String!
    password: String!
  }
  type UserError {
    code: String!
    message: String!
  }
  type SignInPayload {
    viewer: Viewer
    userErrors: [UserError!]!
  }
  type SignOutPayload {
    userErrors: [UserError!]!
  }
  type Mutation {
    signIn(input: SignInInput!): SignInPayload!
    signOut: SignOutPayload!
  }
  type Change {
    kind: String!
    mailbox: String
  }
  type Subscription {
    personalBackupChanged: Change!
  }
`);

/** A mail that tries everything that a preview must not do, against the server named. */
const hostileMail = (origin: string) => `<!doctype html><html><body>
  <h1 id="shown">Your invoice</h1><p>Dear Anna, please find it attached.</p>
  <img src="${origin}/tracked-image"><link rel="stylesheet" href="${origin}/tracked-style">
  <style>@import url("${origin}/tracked-import"); p { background: url("${origin}/tracked-background") }</style>
  <script>parent.document.title = 'taken over'</script><iframe src="${origin}/tracked-frame"></iframe>
  <a id="link" href="${origin}/tracked-link">Read more</a></body></html>`;

interface Context extends BaseContext {
  readonly login: string | null;
  readonly response?: Response;
}

const loginOf = (request: IncomingMessage) => /(?:^|; )session=(\w+)/.exec(request.headers.cookie ?? '')?.[1] ?? null;
const viewerOf = (login: string | null) => login && { name: 'Anna Example', login, permissions: ['BACKUP_VIEW'] };

/** A running example server. */
export interface ExampleServer {
  readonly origin: string;
  /** Paths that were asked for. */
  readonly requested: string[];
  /** Sends an event to each subscriber, addressed to whom the subscription's session names. */
  publish(kind: string): void;
  /** Logins of the subscriptions that are open, `null` for one without a session. */
  subscribers(): (string | null)[];
  /** How many subscriptions were ever opened. */
  opened(): number;
  /** Closes all WebSockets with a close code. */
  dropSockets(code: number): void;
  stop(): Promise<void>;
}

/** Starts a small GraphQL server with the explorer beside it on a free port of 127.0.0.1. */
export async function startExampleServer(directory: string): Promise<ExampleServer> {
  const feed = new EventEmitter();
  const open = new Map<AsyncIterable<unknown>, string | null>();
  const requested: string[] = [];
  let openedCount = 0;

  const rootValue = {
    viewer: (_: unknown, { login }: Context) => viewerOf(login),
    mail: () => ({
      subject: 'Invoice 4711',
      preview: { mode: 'HTML', content: hostileMail(origin), blockedRemoteResources: 5, truncated: false },
    }),
    signIn: ({ input }: { input: { login: string; password: string } }, { response }: Context) => {
      if (input.password !== 'demo') {
        return { viewer: null, userErrors: [{ code: 'WRONG_CREDENTIALS', message: 'Login or password is wrong.' }] };
      }
      response?.cookie('session', input.login, { httpOnly: true, sameSite: 'strict' });
      return { viewer: viewerOf(input.login), userErrors: [] };
    },
    signOut: (_: unknown, { response }: Context) => {
      response?.clearCookie('session');
      return { userErrors: [] };
    },
  };

  // Not an async generator: its return() would wait for the next event, and an abandoned subscription would stay open.
  const changesOf = (login: string | null): AsyncIterableIterator<unknown> => {
    const kinds = on(feed, 'change');
    const changes: AsyncIterableIterator<unknown> = {
      async next() {
        const { done, value } = (await kinds.next()) as IteratorResult<[string], undefined>;
        if (done) return { done, value };
        return {
          done,
          value: { personalBackupChanged: { kind: value[0], mailbox: login && `${login}@example.test` } },
        };
      },
      async return() {
        open.delete(changes);
        await kinds.return?.();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => changes,
    };
    open.set(changes, login);
    openedCount += 1;
    return changes;
  };

  const apollo = new ApolloServer<Context>({ schema, rootValue, csrfPrevention: true });
  await apollo.start();
  const app = express();
  app.use((request, _response, next) => {
    requested.push(request.path);
    next();
  });
  app.use('/explorer', explorerRouter({ directory }));
  app.use(
    '/graphql',
    express.json(),
    expressMiddleware(apollo, {
      context: ({ req, res }) => Promise.resolve({ login: loginOf(req), response: res }),
    }),
  );

  const http = createServer(app);
  const sockets = new WebSocketServer({ server: http, path: '/graphql' });
  const live = useServer(
    {
      schema,
      context: ({ extra }): Context => ({ login: loginOf(extra.request) }),
      roots: { subscription: { personalBackupChanged: (_: unknown, { login }: Context) => changesOf(login) } },
    },
    sockets,
  );
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;

  return {
    origin,
    requested,
    publish: (kind) => feed.emit('change', kind),
    subscribers: () => [...open.values()],
    opened: () => openedCount,
    dropSockets: (code) => sockets.clients.forEach((socket) => socket.close(code)),
    stop: async () => {
      await live.dispose();
      sockets.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
      await apollo.stop();
    },
  };
}
