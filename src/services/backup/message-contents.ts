import type { Database } from '../../entities/database.js';
import type { PreviewRenderer, RenderedPreview } from '../preview/preview-renderer.js';
import type { ContentStore } from './content-store.js';

/** Contents of stored messages, as people may read them; who may is decided by the caller. */
export class MessageContents {
  constructor(
    private readonly database: Database,
    private readonly contents: ContentStore,
    private readonly renderer: PreviewRenderer,
  ) {}

  /** A safe rendering of a content (rules P2 to P4); the same content is rendered once. */
  async preview(contentId: number, mode: 'TEXT' | 'HTML'): Promise<RenderedPreview> {
    const [row] = await this.database.rows<{ sha256: string }>('SELECT sha256 FROM content WHERE id = ?', [contentId]);
    return this.renderer.render(this.contents.open(contentId), mode, row ? { contentKey: row.sha256 } : {});
  }
}
