/** File names of the worker bundles, written in by the build because they carry a content hash. */
declare const WORKER_FILES: { readonly editor: string; readonly json: string; readonly graphql: string };

/** What the editor looks for to start its background parsers. */
interface EditorEnvironment {
  getWorker(workerId: string, label: string): Worker;
}

const environment: EditorEnvironment = {
  getWorker(_workerId, label) {
    const file =
      label === 'json' ? WORKER_FILES.json : label === 'graphql' ? WORKER_FILES.graphql : WORKER_FILES.editor;
    // A file of our own origin, not a blob: the page's policy has worker-src 'self' only.
    return new Worker(new URL(file, document.baseURI), { name: label });
  },
};

(globalThis as typeof globalThis & { MonacoEnvironment?: EditorEnvironment }).MonacoEnvironment = environment;
