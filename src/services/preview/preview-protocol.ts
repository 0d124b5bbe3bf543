import { type PreviewLimits } from './limits.js';
import { type MessageDescription } from './describe-message.js';
import { type Rendering } from './render-text.js';

/** What a worker is asked to make of a message. */
export type PreviewTask = 'TEXT' | 'HTML' | 'DESCRIPTION';

/** From the renderer to its worker; every request is answered before the next one is sent. */
export interface WorkerRequest {
  /** Present in the first request of a message. */
  readonly start?: { readonly task: PreviewTask; readonly limits: PreviewLimits };
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

/** From a worker to its renderer. */
export type WorkerReply =
  /** Loaded; time is counted from the first request after this. `thread`: for whom the system counts it, if it does. */
  | { readonly kind: 'ready'; readonly thread: number | null }
  | { readonly kind: 'more' }
  /** Text that is shown instead if what follows breaks a limit; no answer to a request. */
  | { readonly kind: 'fallback'; readonly rendering: Rendering }
  | { readonly kind: 'rendered'; readonly rendering: Rendering }
  | { readonly kind: 'described'; readonly description: MessageDescription }
  | { readonly kind: 'failed'; readonly stack: string };
