import { ask } from './endpoint';
import { reconnectLive } from './live';
import { Observable } from './observable';

/** Who is signed in, as far as the bar shows it. */
export interface Viewer {
  readonly name: string;
  readonly login: string;
  readonly permissions: readonly string[];
}

/** What is known about the session. */
export type SessionState =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'signed-in'; readonly viewer: Viewer }
  | { readonly kind: 'unavailable'; readonly reason: string };

const VIEWER = /* GraphQL */ `
  query ExplorerViewer {
    viewer {
      name
      login
      permissions
    }
  }
`;
const SIGN_IN = /* GraphQL */ `
  mutation ExplorerSignIn($input: SignInInput!) {
    signIn(input: $input) {
      viewer {
        login
      }
      userErrors {
        message
      }
    }
  }
`;
const SIGN_OUT = /* GraphQL */ `
  mutation ExplorerSignOut {
    signOut {
      __typename
    }
  }
`;

interface SignInAnswer {
  readonly signIn?: {
    readonly viewer?: { readonly login: string } | null;
    readonly userErrors?: readonly { readonly message: string }[];
  } | null;
}

/** The session of this browser; the secret itself stays in an HttpOnly cookie that this page never sees. */
export const session = new Observable<SessionState>({ kind: 'unknown' });

const messageOf = (fault: unknown) => (fault instanceof Error ? fault.message : String(fault));

/** Asks the server who is signed in. */
export async function readSession(): Promise<void> {
  try {
    const { data, errors } = await ask<{ viewer?: Viewer | null }>(VIEWER);
    if (data?.viewer) session.set({ kind: 'signed-in', viewer: data.viewer });
    else if (errors?.[0] && !data) session.set({ kind: 'unavailable', reason: errors[0].message });
    else session.set({ kind: 'anonymous' });
  } catch (fault) {
    session.set({ kind: 'unavailable', reason: messageOf(fault) });
  }
}

/** The cookie may name another session now: open subscriptions must move to it, and the bar must tell. */
export async function sessionChanged(): Promise<void> {
  reconnectLive();
  await readSession();
}

/** Signs in; answers with the sentence to show when that was refused, or null when it worked. */
export async function signIn(login: string, password: string): Promise<string | null> {
  try {
    const { data, errors } = await ask<SignInAnswer>(SIGN_IN, { input: { login, password } });
    const refusal = errors?.[0] ?? data?.signIn?.userErrors?.[0];
    if (refusal) return refusal.message;
    if (!data?.signIn) return 'The server did not sign you in.';
  } catch (fault) {
    return messageOf(fault);
  }
  await sessionChanged();
  return null;
}

/** Signs out; answers with the sentence to show when that failed, or null when it worked. */
export async function signOut(): Promise<string | null> {
  try {
    const { errors } = await ask(SIGN_OUT);
    if (errors?.[0]) return errors[0].message;
  } catch (fault) {
    return messageOf(fault);
  } finally {
    await sessionChanged();
  }
  return null;
}
