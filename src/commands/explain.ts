import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { explain as explainHandOver, renderExplanation } from '../services/intake/scanners/explain.js';
import { loadVerdictMapping } from '../services/intake/scanners/verdict-mapping.js';
import { type Command, UsageError } from './command.js';

/** Shows how a captured hand-over would be understood. */
export const explain: Command = {
  usage: 'explain FILE',
  summary: 'Shows how a captured hand-over of rspamd or amavis would be understood, without storing it.',
  options: ['--header-prefix PREFIX  meta_header_prefix of the rspamd rule; without it: X-Rspamd-'],
  async run(arguments_, { config, print }) {
    const { values, positionals } = parseArgs({
      args: [...arguments_],
      allowPositionals: true,
      options: { 'header-prefix': { type: 'string' } },
    });
    const [path, ...more] = positionals;
    if (path === undefined || more.length > 0) throw new UsageError('explain needs one file.');
    const bytes = await readFile(path).catch((error: unknown) => {
      throw new UsageError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    });
    const mapping = loadVerdictMapping(config.verdictMappingFile || undefined);
    print(renderExplanation(await explainHandOver(bytes, mapping, values['header-prefix'])).trimEnd());
  },
};
