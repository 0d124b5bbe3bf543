/** The policy of a preview document, for the response header of those who serve it; the document carries the same without "sandbox". */
export const PREVIEW_CONTENT_SECURITY_POLICY =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox";

const OWN_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

// What we write beside links and images starts from nothing, so that no style around it can hide, cover or disguise it;
// its colours are those of the page, because the mail's own may be black on black; as a box of its own it is painted above
// the text around it, and stays wide enough to be read in a cell that is not. Words break only when they must: "anywhere"
// would let cells shrink to single letters. Nothing is positioned, not even by us.
const STYLE = `
:root { color-scheme: light dark; }
:root.light { color-scheme: only light; background: #fff; color: #000; }
body { margin: 0; padding: 8px; font: 14px/1.45 system-ui, sans-serif; overflow-wrap: break-word; }
.mail { isolation: isolate; contain: content; overflow: auto; max-width: 100%; }
.mail * { position: static !important; animation: none !important; transition: none !important; max-width: 100%; }
.mail img { height: auto; }
.plain { white-space: pre-wrap; font-family: ui-monospace, monospace; }
.note, .message { border-inline-start: 3px solid #8888; padding: 4px 8px; margin: 8px 0; white-space: pre-wrap; }
.plain, .note, .message { overflow-wrap: anywhere; }
.link { text-decoration: underline; }
.mail .target, .mail .blocked { all: initial; color-scheme: inherit; display: inline-block; isolation: isolate; font: 12px/1.45 system-ui, sans-serif; color: CanvasText; color: color-mix(in srgb, CanvasText 72%, Canvas); background: Canvas; overflow-wrap: anywhere; }
.mail .target { min-width: 12em; }
.mail .warning { color: #b00020; background: #fff3f3; font-weight: bold; }
.mail .blocked { border: 1px dashed #888; padding: 0 4px; }
`;

/** The finished document around sanitised pieces: complete, inert, readable in light and dark surroundings. */
export function writeDocument(pieces: readonly string[], setsColours: boolean): string {
  return [
    `<!DOCTYPE html>\n<html${setsColours ? ' class="light"' : ''}><head><meta charset="utf-8">`,
    `<meta http-equiv="Content-Security-Policy" content="${OWN_POLICY}">`,
    '<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width">',
    `<title>Message</title><style>${STYLE}</style></head><body>`,
    ...pieces,
    '</body></html>',
  ].join('');
}
