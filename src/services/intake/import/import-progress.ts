/** Where progress is shown; `process.stderr` is one. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** How far an import has come. */
export interface ProgressState {
  readonly messages: number;
  readonly bytes: number;
  /** Null when nobody has measured. */
  readonly totalBytes: number | null;
  readonly elapsedMs: number;
}

// Terminals redraw at most this often; more only flickers.
const REDRAW_MS = 100;

// Elsewhere, such as in a log, a line this often.
const LINE_MS = 10_000;

const BAR_CHARACTERS = 30;

function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const pad = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return `${hours > 0 ? `${hours}:` : ''}${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
}

/** One line that tells how far an import has come; the bar and the remaining time appear when the total is known. */
export function renderProgress(state: ProgressState, columns: number, bar: boolean): string {
  const { messages, bytes, totalBytes, elapsedMs } = state;
  const seconds = Math.max(elapsedMs, 1) / 1000;
  const parts = [
    `${messages} messages`,
    formatBytes(bytes),
    `${Math.round(messages / seconds)}/s`,
    `${formatBytes(bytes / seconds)}/s`,
  ];
  let front = '';
  if (totalBytes !== null) {
    const share = totalBytes > 0 ? Math.min(1, bytes / totalBytes) : 1;
    const filled = Math.floor(share * BAR_CHARACTERS);
    front = `${String(Math.floor(share * 100)).padStart(3)}%  `;
    if (bar) front = `[${'#'.repeat(filled)}${'-'.repeat(BAR_CHARACTERS - filled)}] ${front}`;
    if (bytes > 0 && share < 1) parts.push(`${formatDuration((elapsedMs * (1 - share)) / share)} left`);
  }
  return `${front}${parts.join('  ')}`.slice(0, Math.max(20, columns));
}

/** Shows the progress of an import: a bar on a terminal, plain lines elsewhere. Draws only when told of progress. */
export class ImportProgress {
  private readonly startedMs: number;
  private shownMs: number;
  private messages = 0;
  private bytes = 0;

  constructor(
    private readonly stream: ProgressStream,
    private readonly totalBytes: number | null,
    /** Clock in ms; anything that does not run backwards. */
    private readonly now: () => number = () => performance.now(),
  ) {
    this.startedMs = now();
    this.shownMs = this.startedMs;
  }

  /** One more message is done; `sizeBytes` as the reader gives it. */
  advance(sizeBytes: number): void {
    this.messages++;
    this.bytes += sizeBytes;
    if (this.now() - this.shownMs >= (this.stream.isTTY ? REDRAW_MS : LINE_MS)) this.show('');
  }

  /** Shows the last state and leaves the line. */
  finish(): void {
    this.show('\n');
  }

  private show(end: string): void {
    const { stream, messages, bytes, totalBytes } = this;
    this.shownMs = this.now();
    const terminal = stream.isTTY === true;
    // The last column stays free: some terminals would wrap there.
    const columns = terminal ? (stream.columns ?? 80) - 1 : Infinity;
    const line = renderProgress(
      { messages, bytes, totalBytes, elapsedMs: this.shownMs - this.startedMs },
      columns,
      terminal,
    );
    stream.write(terminal ? `\r\u001b[K${line}${end}` : `${line}\n`);
  }
}
