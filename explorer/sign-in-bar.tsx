import { useEffect, useState, type FormEvent } from 'react';
import { liveState, type LiveState } from './live';
import { useObservable } from './observable';
import { readSession, session, signIn, signOut, type Viewer } from './session';

const LIVE_WORDS: Record<LiveState, string> = {
  idle: 'Live: no subscription',
  connecting: 'Live: connecting',
  connected: 'Live: connected',
  reconnecting: 'Live: reconnecting',
};

/** The bar above the explorer: who is signed in, sign-in and sign-out, state of the live connection. */
export function SignInBar() {
  const state = useObservable(session);
  const live = useObservable(liveState);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    void readSession();
  }, []);

  return (
    <header className="bar">
      <h1 className="bar-title">Mailkeep</h1>
      <p className="bar-live" data-state={live} role="status">
        {LIVE_WORDS[live]}
      </p>
      <p className="bar-problem" role="alert">
        {problem ?? (state.kind === 'unavailable' ? state.reason : '')}
      </p>
      {state.kind === 'signed-in' && <SignedIn viewer={state.viewer} report={setProblem} />}
      {(state.kind === 'anonymous' || state.kind === 'unavailable') && <SignInForm report={setProblem} />}
    </header>
  );
}

function SignedIn({ viewer, report }: { viewer: Viewer; report: (problem: string | null) => void }) {
  const [busy, setBusy] = useState(false);
  const leave = async () => {
    setBusy(true);
    report(await signOut());
    setBusy(false);
  };
  const count = viewer.permissions.length;
  return (
    <div className="bar-session">
      <p className="bar-viewer">
        Signed in as <strong>{viewer.name}</strong> <span className="bar-login">{viewer.login}</span>
      </p>
      {count > 0 && (
        <details className="bar-permissions">
          <summary>{count === 1 ? '1 permission' : `${count} permissions`}</summary>
          <ul>
            {viewer.permissions.map((permission) => (
              <li key={permission}>{permission}</li>
            ))}
          </ul>
        </details>
      )}
      <button type="button" disabled={busy} onClick={() => void leave()}>
        Sign out
      </button>
    </div>
  );
}

function SignInForm({ report }: { report: (problem: string | null) => void }) {
  const [busy, setBusy] = useState(false);
  const enter = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    setBusy(true);
    report(await signIn(String(fields.get('login')), String(fields.get('password'))));
    setBusy(false);
  };
  return (
    <form className="bar-session" aria-label="Sign in" onSubmit={(event) => void enter(event)}>
      <label>
        Login
        <input name="login" autoComplete="username" autoCapitalize="none" spellCheck={false} required />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <button type="submit" disabled={busy}>
        Sign in
      </button>
    </form>
  );
}
