import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect } from 'react';

/** Keeps the code editors readable when the system turns dark or light while the page is open; renders nothing. */
export function SystemTheme() {
  const theme = useGraphiQL((state) => state.theme);
  const { setTheme } = useGraphiQLActions();

  useEffect(() => {
    const system = matchMedia('(prefers-color-scheme: dark)');
    // The style sheets follow by themselves; the code editor draws with a theme that was chosen at the start.
    const follow = () => setTheme(theme);
    system.addEventListener('change', follow);
    return () => system.removeEventListener('change', follow);
  }, [theme, setTheme]);

  return null;
}
