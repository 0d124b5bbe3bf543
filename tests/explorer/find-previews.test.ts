import { findPreviews } from '../../explorer/find-previews.js';

const preview = (mode: string, content: unknown) => ({ mode, content, blockedRemoteResources: 2, truncated: true });

describe('message previews in a result', () => {
  it.each<[string, unknown, string[]]>([
    ['a result without previews', { data: { viewer: null } }, []],
    ['a preview that was not allowed', { data: { message: { subject: 'A', preview: null } } }, []],
    ['a preview without its content', { data: { preview: { mode: 'HTML', content: null } } }, []],
    ['something else that has a mode', { data: { preview: preview('AUTO', 'x') } }, []],
    ['one preview', { data: { message: { subject: 'A', preview: preview('HTML', '<p>') } } }, ['A HTML <p>']],
    ['an empty message', { data: { preview: preview('TEXT', '') } }, [' TEXT ']],
    [
      'several, under names of the client, each with the subject nearest to it',
      {
        data: {
          list: [
            { subject: 'A', text: preview('TEXT', 'a') },
            { subject: 'B', deep: { html: preview('HTML', 'b') } },
          ],
        },
      },
      ['A TEXT a', 'B HTML b'],
    ],
  ])('finds %s', (_title, result, expected) => {
    const found = findPreviews(JSON.stringify(result, null, 2));
    expect(found.map(({ subject, mode, content }) => `${subject} ${mode} ${content}`)).toEqual(expected);
  });

  it('takes over what was left out', () => {
    expect(findPreviews(JSON.stringify({ data: preview('TEXT', 'a') }))).toEqual([
      { subject: '', mode: 'TEXT', content: 'a', blockedRemoteResources: 2, truncated: true },
    ]);
  });

  it('stops at 50, so that a whole page of previews stays quick', () => {
    expect(findPreviews(JSON.stringify(Array.from({ length: 80 }, () => preview('TEXT', 'a'))))).toHaveLength(50);
  });

  it('finds nothing in what is no JSON', () => {
    expect(findPreviews('Request not sent. "content"')).toEqual([]);
  });
});
