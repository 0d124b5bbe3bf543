import { useGraphiQL, useGraphiQLActions, type GraphiQLPlugin } from '@graphiql/react';
import { examples, type Example } from './examples';

function ExamplesPane() {
  const { addTab, changeTab, stop, updateActiveTabValues } = useGraphiQLActions();
  const tabs = useGraphiQL((state) => state.tabs);
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);

  const open = ({ query, variables = '' }: Example) => {
    const opened = tabs.findIndex((tab) => tab.query === query);
    if (opened >= 0) {
      changeTab(opened);
    } else {
      // A subscription left running would write its events into the new tab.
      stop();
      addTab();
      queryEditor?.setValue(query);
      variableEditor?.setValue(variables);
      updateActiveTabValues({ query, variables });
    }
    queryEditor?.focus();
  };

  return (
    <section aria-label="Examples" className="examples">
      <div className="graphiql-doc-explorer-title">Examples</div>
      <p>Each opens in a tab of its own. Ctrl+Enter runs it; Ctrl+M lets the Tab key leave the editor.</p>
      <ul>
        {examples.map((example) => (
          <li key={example.title}>
            <button type="button" onClick={() => open(example)}>
              <strong>{example.title}</strong>
              <span>{example.description}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function ExamplesIcon() {
  return (
    <svg viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <path d="M7 5h10M7 10h10M7 15h6" strokeLinecap="round" />
      <circle cx="3" cy="5" r="1" fill="currentColor" />
      <circle cx="3" cy="10" r="1" fill="currentColor" />
      <circle cx="3" cy="15" r="1" fill="currentColor" />
    </svg>
  );
}

/** The menu of example operations in the explorer's sidebar. */
export const EXAMPLES_PLUGIN: GraphiQLPlugin = { title: 'Examples', content: ExamplesPane, icon: ExamplesIcon };
