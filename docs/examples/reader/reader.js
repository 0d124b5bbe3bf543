// A whole client for reading personal Backup: sign in, list, read. Serve this folder from an origin that the server
// lists in MAILKEEP_ALLOWED_ORIGINS, and open index.html?api=https://backup.example.com (without it: the same origin).

const api = new URL(new URLSearchParams(location.search).get('api') ?? '/', location.href);
const byId = (id) => document.getElementById(id);
let token = '';

async function ask(query, variables = {}) {
  const response = await fetch(new URL('graphql', api), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(errors[0].message);
  return data;
}

const SIGN_IN = `mutation ($input: SignInInput!) { signIn(input: $input) { token userErrors { message } } }`;

const LIST = `{
  viewer { personalBackup { own { messages(first: 50) { nodes { id subject sender } } } } }
}`;

// The address is asked for when a message is opened, not with the list: it lives for five minutes.
const OPEN = `query ($id: ID!) {
  viewer { personalBackup { message(id: $id) {
    subject
    viewerCan { previewHtml { allowed reason } previewText { allowed reason } }
    asHtml: previewUrl(mode: HTML)
    asText: previewUrl(mode: TEXT)
  } } }
}`;

const REASONS = {
  PREVIEW_SWITCHED_OFF: 'Your administrator has switched reading off.',
  NO_HTML_PART: 'The message is plain text.',
  ANTI_VIRUS_STATUS: 'Because of what the virus scanner said, only its text is shown.',
};

async function open(id) {
  const frame = byId('content');
  frame.hidden = true;
  frame.removeAttribute('src');
  byId('remarks').textContent = '';
  const { viewer } = await ask(OPEN, { id });
  const message = viewer?.personalBackup?.message;
  byId('subject').textContent = message ? message.subject || '(no subject)' : 'This message is no longer there.';
  if (!message) return;
  const { previewHtml, previewText } = message.viewerCan;
  const reason = previewText.allowed ? previewHtml.reason : previewText.reason;
  byId('remarks').textContent = reason ? (REASONS[reason] ?? reason) : '';
  // HTML where the rules allow it, otherwise text; the server decides again when the frame asks.
  const address = message.asHtml ?? message.asText;
  if (!address) return;
  frame.src = new URL(address, api);
  frame.hidden = false;
}

async function list() {
  const { viewer } = await ask(LIST);
  const messages = viewer?.personalBackup?.own?.messages.nodes;
  byId('notice').textContent = messages ? '' : 'There is no personal Backup for you.';
  byId('messages').replaceChildren(
    ...(messages ?? []).map(({ id, subject, sender }) => {
      const button = document.createElement('button');
      // Subjects and addresses were written by strangers: textContent, never innerHTML.
      button.textContent = `${subject || '(no subject)'}, from ${sender ?? '(nobody)'}`;
      button.addEventListener('click', () => attempt(() => open(id)));
      const item = document.createElement('li');
      item.append(button);
      return item;
    }),
  );
  document.querySelector('main').hidden = !messages;
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    byId('notice').textContent = error.message;
  }
}

byId('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(async () => {
    const { login, password } = event.target.elements;
    const { signIn } = await ask(SIGN_IN, { input: { login: login.value, password: password.value } });
    if (signIn.userErrors.length > 0) throw new Error(signIn.userErrors[0].message);
    token = signIn.token;
    event.target.hidden = true;
    await list();
  });
});
