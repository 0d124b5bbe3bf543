/** A message preview found in a result. */
export interface FoundPreview {
  readonly subject: string;
  readonly mode: 'HTML' | 'TEXT';
  readonly content: string;
  readonly blockedRemoteResources: number;
  readonly truncated: boolean;
}

/** Enough to choose from; a page of previews is no reason to build thousands of entries. */
const MOST_PREVIEWS = 50;

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** Collects the message previews of a result's JSON text, wherever the operation has put them; none when it is no JSON. */
export function findPreviews(resultText: string): FoundPreview[] {
  if (!resultText.includes('"content"')) return [];
  let result: unknown;
  try {
    result = JSON.parse(resultText);
  } catch {
    // The editor also shows plain messages; they hold no preview.
    return [];
  }
  const found: FoundPreview[] = [];
  const visit = (value: unknown, subject: string): void => {
    if (!isRecord(value) || found.length >= MOST_PREVIEWS) return;
    const { mode, content } = value;
    if ((mode === 'HTML' || mode === 'TEXT') && typeof content === 'string') {
      found.push({
        subject,
        mode,
        content,
        blockedRemoteResources: Number(value['blockedRemoteResources'] ?? 0),
        truncated: value['truncated'] === true,
      });
      return;
    }
    const nearest = typeof value['subject'] === 'string' ? value['subject'] : subject;
    for (const child of Object.values(value)) visit(child, nearest);
  };
  visit(result, '');
  return found;
}
