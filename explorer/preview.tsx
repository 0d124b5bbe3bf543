import { useGraphiQL } from '@graphiql/react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { findPreviews, type FoundPreview } from './find-previews';

/**
 * Goes before the mail's own document. The frame inherits the page's policy, whose 'self' would still let a mail fetch
 * style sheets from this server; a second policy can only take away.
 */
const SEAL = `<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:">`;

const nameOf = (preview: FoundPreview) => `${preview.subject || 'Without subject'} (${preview.mode})`;

/** Below the result: offers to display the message previews that the result holds. */
export function PreviewOffer() {
  const response = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.response ?? '');
  const previews = useMemo(() => findPreviews(response), [response]);
  const [shown, setShown] = useState(false);
  if (previews.length === 0) return null;
  return (
    <div className="preview-offer">
      <span>
        {previews.length === 1 ? 'The result holds a message.' : `The result holds ${previews.length} messages.`}
      </span>
      <button type="button" onClick={() => setShown(true)}>
        Show preview
      </button>
      {shown && <PreviewDialog previews={previews} close={() => setShown(false)} />}
    </div>
  );
}

function PreviewDialog({ previews, close }: { previews: readonly FoundPreview[]; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [chosen, setChosen] = useState(0);
  const preview = previews[chosen] ?? previews[0];

  useEffect(() => {
    dialog.current?.showModal();
  }, []);

  if (!preview) return null;
  return (
    <dialog ref={dialog} className="preview" aria-labelledby="preview-title" onClose={close}>
      <header>
        <h2 id="preview-title">{preview.subject || 'Message preview'}</h2>
        {previews.length > 1 && (
          <label>
            Message
            <select value={chosen} onChange={(event) => setChosen(Number(event.target.value))}>
              {previews.map((each, index) => (
                <option key={index} value={index}>
                  {nameOf(each)}
                </option>
              ))}
            </select>
          </label>
        )}
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </header>
      {(preview.blockedRemoteResources > 0 || preview.truncated) && (
        <p className="preview-notes">
          {preview.blockedRemoteResources > 0 && `Remote resources not loaded: ${preview.blockedRemoteResources}. `}
          {preview.truncated && 'The message is longer than what is shown.'}
        </p>
      )}
      {preview.mode === 'HTML' ? (
        // An empty sandbox: no scripts, no forms, no navigation of this page, an origin of its own.
        <iframe title="Message content" sandbox="" referrerPolicy="no-referrer" srcDoc={SEAL + preview.content} />
      ) : (
        <pre tabIndex={0}>{preview.content}</pre>
      )}
    </dialog>
  );
}
