import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const GATEWAYS = join(__dirname, '../../../docs/gateways.md');

/**
 * The text of a file that docs/gateways.md tells people to write: the block behind its path, in a section of the page. Each
 * replacement must occur, so that a test never goes past a changed page.
 */
export function snippet(section: string, file: string, replacements: Readonly<Record<string, string>> = {}): string {
  const page = readFileSync(GATEWAYS, 'utf8');
  const start = page.search(new RegExp(`^#+ ${escaped(section)}$`, 'm'));
  if (start < 0) throw new Error(`docs/gateways.md has no section "${section}".`);
  const block = new RegExp(`^(?:Add to )?\`${escaped(file)}\`:\n\n\`\`\`\\w*\n([^]*?)^\`\`\`$`, 'm').exec(
    page.slice(start),
  );
  if (!block) throw new Error(`The section "${section}" has no file ${file}.`);
  return Object.entries(replacements).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`${file} of the section "${section}" does not name ${from}.`);
    return text.replaceAll(from, to);
  }, block[1] ?? '');
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Lines "name = value" of a main.cf as parameters. */
export function parameters(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return Object.fromEntries(lines.map((line) => line.split(/ = (.*)/s, 2) as [string, string]));
}
