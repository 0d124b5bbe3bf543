/** Tells whether a text matches; made by {@link glob}. */
export type Matcher = (text: string) => boolean;

/** Matches any of the patterns against a whole text, case ignored: `*` is any run of characters, `?` any one. */
export function glob(patterns: readonly string[]): Matcher {
  const compiled = patterns.map((pattern) => {
    const source = pattern
      .replace(/\*+/g, '*')
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replace(/\*/g, '[^]*')
      .replace(/\?/g, '[^]');
    return new RegExp(`^${source}$`, 'i');
  });
  return (text) => compiled.some((expression) => expression.test(text));
}
