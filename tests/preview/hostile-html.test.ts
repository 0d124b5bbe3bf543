import { parseDocument } from 'htmlparser2';
import { htmlMessage, renderHere } from './compose-message.js';
import { composeVector, LARGE_VECTORS, VECTORS, type HostileVector } from './vectors/index.js';

// Written apart from the lists of the product on purpose: a mistake there must not excuse itself here.
const SAFE_ELEMENTS = new Set(
  (
    'span abbr acronym address article aside b bdi big blockquote br caption center cite code col colgroup dd del dfn dir div dl dt em figcaption ' +
    'figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark menu nav ol p pre q rp rt ruby s samp section small strike strong sub sup ' +
    'table tbody td tfoot th thead time tr tt u ul var wbr'
  ).split(' '),
);
const SAFE_ATTRIBUTES =
  /^(style|class|title|alt|src|dir|lang|align|valign|width|height|bgcolor|bordercolor|color|face|size|border|cellpadding|cellspacing|colspan|rowspan|span|nowrap|noshade|scope|start|type|reversed|value|hspace|vspace)$/;
const FORBIDDEN_CSS =
  /url|image|expression|javascript|@|\\|\/\*|<|position|inset|transform|z-index|animation|transition|content|behavior|binding|filter|var\(|calc|:\s*-|--|!/i;

type Node = ReturnType<typeof parseDocument>['children'][number];
type Element = Extract<Node, { attribs: unknown }>;

function* walk(nodes: readonly Node[]): Generator<Element> {
  for (const node of nodes) {
    if (!('attribs' in node)) continue;
    yield node;
    yield* walk(node.children);
  }
}

/** What a document shows, apart from the head that we wrote. */
function readBody(document: string): { markup: string; elements: Element[]; text: string } {
  const start = document.indexOf('</head><body>');
  const markup = document.slice(start < 0 ? 0 : start + '</head><body>'.length).replace(/<\/body><\/html>$/, '');
  const root = parseDocument(markup);
  const text = markup
    .replace(/<[^>]*>/g, '')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, '&');
  return { markup, elements: [...walk(root.children)], text };
}

function findUnsafe(elements: readonly Element[]): string[] {
  const unsafe: string[] = [];
  for (const { name, attribs } of elements) {
    if (!SAFE_ELEMENTS.has(name)) unsafe.push(`<${name}>`);
    for (const [attribute, value] of Object.entries(attribs)) {
      if (!SAFE_ATTRIBUTES.test(attribute)) unsafe.push(`${name} ${attribute}`);
      if (attribute === 'style' && FORBIDDEN_CSS.test(value)) unsafe.push(`${name} style ${value}`);
      if (attribute === 'src' && !/^data:image\/(png|gif|jpeg|webp|bmp);base64,[A-Za-z0-9+/]+=*$/.test(value))
        unsafe.push(`${name} src ${value}`);
      if (attribute === 'class' && !/^(mail|plain|note|message|blocked|link|target( warning)?)$/.test(value))
        unsafe.push(`${name} class ${value}`);
    }
  }
  return unsafe;
}

function inspect(vector: HostileVector): string {
  const preview = renderHere(composeVector(vector, 'http://beacon.example'), 'HTML');
  const { markup, elements, text } = readBody(preview.mode === 'HTML' ? preview.content : '');
  expect(findUnsafe(elements)).toEqual([]);
  // A link's true target must be told, so what stands in it is no survivor.
  const remainder = markup.replace(/<span class="target[^]*?<\/span>/g, '').toLowerCase();
  const tags = (remainder.match(/<[^>]*>/g) ?? []).join('\n');
  for (const gone of vector.gone.map((word) => word.toLowerCase())) {
    const isHarmlessText = vector.shown?.toLowerCase().includes(gone) ?? false;
    expect(isHarmlessText || gone.startsWith('<') ? tags : remainder).not.toContain(gone);
  }
  if (vector.shown !== undefined) expect(preview.mode === 'HTML' ? text : preview.content).toContain(vector.shown);
  return preview.mode;
}

describe('hostile HTML', () => {
  it('has at least 150 vectors with names of their own', () => {
    const names = [...VECTORS, ...LARGE_VECTORS].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(150);
  });

  it.each(VECTORS.map((vector) => [vector.name, vector] as const))('P4: %s does not survive', (_name, vector) => {
    const mode = inspect(vector);
    if (!vector.message) expect(mode).toBe('HTML');
  });

  it.each(LARGE_VECTORS.map((vector) => [vector.name, vector] as const))('P4: %s is answered', (_name, vector) => {
    inspect(vector);
  });

  it.each([
    ['an image', '<img src="http://beacon.example/1.png">', 1],
    ['an image twice', '<img src="http://b.example/1"><img src="http://b.example/1">', 2],
    ['styles', '<p style="background:url(//b.example/x)">x</p><td background="http://b.example/y">', 2],
    ['a style sheet', '<style>@import "http://b.example/a"; p{background:url(http://b.example/b)}</style>', 2],
    ['a linked style sheet', '<link rel=stylesheet href="http://b.example/a.css">', 1],
    ['nothing remote', '<img src="cid:none"><p style="background:url(data:image/png;base64,AAAA)">x</p>', 0],
    ['a video with a poster', '<video src="http://b.example/v" poster="http://b.example/p"></video>', 2],
  ])('P4: counts what was not loaded: %s', (_name, html, count) => {
    expect(renderHere(htmlMessage(html), 'HTML').blockedRemoteResources).toBe(count);
  });

  it('P4: keeps what makes a mail readable', () => {
    const { content } = renderHere(
      htmlMessage(
        '<body dir=rtl lang=ar bgcolor=#eeeeee><table border=1><tr><td style="color:#123456;padding:4px" align=left>شكرا</td></tr></table><ul><li>one</ul></body>',
      ),
      'HTML',
    );
    expect(content).toContain('<div dir="rtl" lang="ar" style="background-color: #eeeeee">');
    expect(content).toContain('<td align="left" style="color: #123456; padding: 4px">شكرا</td>');
    expect(content).toContain('<ul><li>one</li></ul>');
  });
});
