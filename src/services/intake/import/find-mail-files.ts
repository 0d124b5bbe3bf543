import { type Dirent } from 'node:fs';
import { lstat, open, readdir, realpath, stat } from 'node:fs/promises';
import { basename, extname, join, sep } from 'node:path';
import { detectFileKind, FILE_KIND_BYTES } from './file-kind.js';

/** A file with one message, or an mbox file with any number of them. */
export interface MailFile {
  readonly path: string;
  readonly kind: 'MESSAGE' | 'MBOX';
  readonly sizeBytes: number;
}

/** Why something that was met is not imported. */
export type SkipReason =
  | 'NOT_FOUND'
  | 'NOT_READABLE'
  | 'NOT_A_FILE'
  | 'NOT_A_MESSAGE'
  | 'EMPTY'
  | 'OUTLOOK_MESSAGE'
  | 'COMPRESSED'
  | 'LINK_OUT_OF_TREE'
  | 'BROKEN_LINK'
  | 'TOO_DEEP';

/** Something that was met and is not imported. */
export interface SkippedFile {
  readonly path: string;
  readonly reason: SkipReason;
}

/** Told of everything that is left out. */
export type OnSkipped = (skipped: SkippedFile) => void;

/** Names that promise one message; the content still decides whether it is an mbox file. */
const MESSAGE_EXTENSIONS = new Set(['.eml', '.msg', '.mime', '.mht', '.mail']);

// Folders inside each other; stops paths beyond what the system can open.
const MAX_DEPTH = 64;

/** Errors of single files that must not end an import of a million others. */
function reasonOf(error: unknown): SkipReason {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'NOT_FOUND';
  if (code === 'EACCES' || code === 'EPERM' || code === 'EIO' || code === 'ELOOP') return 'NOT_READABLE';
  throw error;
}

async function readHead(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(FILE_KIND_BYTES), 0, FILE_KIND_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** `promised`: the operator named the file, or its place or name says that it is a message, however broken. */
async function judgeFile(path: string, promised: boolean, sizeBytes: number): Promise<MailFile | SkippedFile> {
  const kind = detectFileKind(await readHead(path));
  if (kind === 'MBOX') return { path, kind, sizeBytes };
  if (kind === 'MESSAGE' || (kind === 'UNKNOWN' && promised)) return { path, kind: 'MESSAGE', sizeBytes };
  return { path, reason: kind === 'UNKNOWN' ? 'NOT_A_MESSAGE' : kind };
}

interface Folder {
  readonly path: string;
  readonly depth: number;
  /** The folder that the operator named, without symbolic links. */
  readonly root: string;
  /** Everything in here is a message: new/ and cur/ of a Maildir. */
  readonly maildirLeaf: boolean;
}

function isMaildir(entries: readonly Dirent[]): boolean {
  const folders = new Set(entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name));
  return folders.has('new') && folders.has('cur');
}

async function skipLink(path: string, root: string, onSkipped: OnSkipped): Promise<void> {
  try {
    const target = await realpath(path);
    // What it points to inside the tree is met there by itself.
    if (target !== root && !target.startsWith(root + sep)) onSkipped({ path, reason: 'LINK_OUT_OF_TREE' });
  } catch (error) {
    const reason = reasonOf(error);
    onSkipped({ path, reason: reason === 'NOT_FOUND' ? 'BROKEN_LINK' : reason });
  }
}

async function* findInFile(path: string, promised: boolean, onSkipped: OnSkipped): AsyncGenerator<MailFile> {
  let judged: MailFile | SkippedFile;
  try {
    judged = await judgeFile(path, promised, (await stat(path)).size);
  } catch (error) {
    judged = { path, reason: reasonOf(error) };
  }
  if ('kind' in judged) yield judged;
  else onSkipped(judged);
}

async function* findInFolder(folder: Folder, onSkipped: OnSkipped): AsyncGenerator<MailFile> {
  const { path: folderPath, depth, root } = folder;
  if (depth > MAX_DEPTH) return onSkipped({ path: folderPath, reason: 'TOO_DEEP' });
  let entries: Dirent[];
  try {
    entries = await readdir(folderPath, { withFileTypes: true });
  } catch (error) {
    return onSkipped({ path: folderPath, reason: reasonOf(error) });
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const maildir = isMaildir(entries);
  for (const { name, ...entry } of entries.map((dirent) => describe(dirent))) {
    const path = join(folderPath, name);
    if (entry.link) await skipLink(path, root, onSkipped);
    else if (entry.folder) {
      // tmp/ of a Maildir holds messages whose delivery has not ended.
      if (maildir && name === 'tmp') continue;
      const leaf = maildir && (name === 'new' || name === 'cur');
      const inner: Folder = { path, depth: depth + 1, root, maildirLeaf: leaf };
      if (!name.startsWith('.') || (await isHiddenMaildir(path))) yield* findInFolder(inner, onSkipped);
    } else if (!entry.file) onSkipped({ path, reason: 'NOT_A_FILE' });
    else if (!name.startsWith('.') && !maildir) {
      const promised = folder.maildirLeaf || MESSAGE_EXTENSIONS.has(extname(name).toLowerCase());
      yield* findInFile(path, promised, onSkipped);
    }
  }
}

function describe(entry: Dirent): { name: string; link: boolean; folder: boolean; file: boolean } {
  return { name: entry.name, link: entry.isSymbolicLink(), folder: entry.isDirectory(), file: entry.isFile() };
}

/** Maildir++ keeps its folders as ".Name"; other hidden folders, such as version control's, are left alone. */
async function isHiddenMaildir(path: string): Promise<boolean> {
  try {
    return isMaildir(await readdir(path, { withFileTypes: true }));
  } catch (error) {
    reasonOf(error);
    return true; // Walked into, so that the failure is told of there.
  }
}

/**
 * Every mail file under the given paths, in a stable order: files, mbox files, Maildirs and folders of them. A path that is
 * itself a symbolic link is followed, links inside folders are not. What is left out is told of, never a stop.
 */
export async function* findMailFiles(
  paths: readonly string[],
  onSkipped: OnSkipped = () => {},
): AsyncGenerator<MailFile> {
  for (const path of paths) {
    let folder: Folder;
    try {
      const root = await realpath(path);
      const status = await lstat(root);
      if (!status.isDirectory()) {
        if (status.isFile()) yield* findInFile(path, true, onSkipped);
        else onSkipped({ path, reason: 'NOT_A_FILE' });
        continue;
      }
      const siblings = ['new', 'cur'].includes(basename(root))
        ? await readdir(join(root, '..'), { withFileTypes: true })
        : [];
      folder = { path, depth: 0, root, maildirLeaf: isMaildir(siblings) };
    } catch (error) {
      onSkipped({ path, reason: reasonOf(error) });
      continue;
    }
    yield* findInFolder(folder, onSkipped);
  }
}
