import './monaco-workers';
import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import 'graphiql/graphiql.css';
import './styles.css';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { createRoot } from 'react-dom/client';
import { examples } from './examples';
import { EXAMPLES_PLUGIN } from './examples-plugin';
import { fetcher } from './fetcher';
import { PreviewOffer } from './preview';
import { SignInBar } from './sign-in-bar';
import { storage } from './storage';
import { SystemTheme } from './system-theme';

// Constants: the explorer resets its panes when the identity of these changes.
const plugins = [EXAMPLES_PLUGIN, HISTORY_PLUGIN];
const firstTabs = examples.slice(0, 2).map(({ query, variables }) => ({ query, variables }));
const firstPane = storage.getItem('graphiql:tabState') === null ? EXAMPLES_PLUGIN : undefined;

function Explorer() {
  return (
    <>
      <SignInBar />
      <main className="explorer">
        <GraphiQL
          fetcher={fetcher}
          plugins={plugins}
          visiblePlugin={firstPane}
          defaultTabs={firstTabs}
          defaultEditorToolsVisibility="variables"
          storage={storage}
          shouldPersistHeaders={false}
          schemaDescription
        >
          <GraphiQL.Logo>
            <span className="explorer-name">GraphQL explorer</span>
          </GraphiQL.Logo>
          <GraphiQL.Footer>
            <PreviewOffer />
            <SystemTheme />
          </GraphiQL.Footer>
        </GraphiQL>
      </main>
    </>
  );
}

const place = document.getElementById('explorer');
if (!place) throw new Error('The page has no element #explorer.');
createRoot(place).render(<Explorer />);
