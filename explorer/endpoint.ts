/** The API beside this page: /explorer/ → /graphql, also below a path prefix of a reverse proxy. */
export const endpointUrl = new URL('../graphql', document.baseURI).href;

/** The same endpoint for WebSocket: ws for http, wss for https. */
export const liveUrl = endpointUrl.replace(/^http/, 'ws');

/** A custom header that no form can send; the server's protection against cross-site requests asks for one. */
export const requestHeaders = { 'apollo-require-preflight': 'true' } as const;

/** An answer as GraphQL over HTTP defines it; everything may be absent, since the other side may be a proxy's error page. */
export interface Answer<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly { readonly message: string }[];
}

/** Sends one operation with the session cookie; throws an Error with a sentence for people when there is no GraphQL answer. */
export async function ask<Data>(query: string, variables?: Record<string, unknown>): Promise<Answer<Data>> {
  let response: Response;
  try {
    response = await fetch(endpointUrl, {
      method: 'POST',
      credentials: 'same-origin',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...requestHeaders },
      body: JSON.stringify({ query, variables }),
    });
  } catch (cause) {
    throw new Error('The server does not answer.', { cause });
  }
  try {
    return (await response.json()) as Answer<Data>;
  } catch (cause) {
    throw new Error(`The server answered with status ${response.status} instead of a GraphQL result.`, { cause });
  }
}
