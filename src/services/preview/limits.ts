const KIB = 1024;
const MIB = 1024 * KIB;

/** Bounds of one preview; each says which attack it stops. */
export interface PreviewLimits {
  /** Parts in one message, attached messages included; stops floods of empty parts. */
  readonly maxParts: number;
  /** Multiparts and attached messages inside each other; stops exhaustion by nesting. */
  readonly maxDepth: number;
  /** Header of one part, bytes; stops memory exhaustion by endless headers. */
  readonly maxHeaderBytes: number;
  /** Headers of all parts, bytes; stops the same attack spread over many parts. */
  readonly maxAllHeadersBytes: number;
  /** Decoded bytes of all shown text parts; stops memory exhaustion by text bombs. */
  readonly maxTextBytes: number;
  /** Decoded bytes of all HTML parts when only their text is wanted: style sheets are read over. */
  readonly maxHtmlSourceBytes: number;
  /** Decoded bytes of all signed and TNEF parts that are looked into; they are held whole. Stops memory exhaustion. */
  readonly maxContainerBytes: number;
  /** Decoded bytes of HTML that are sanitised; more is shown as text. Stops long computation. */
  readonly maxHtmlBytes: number;
  /** Elements in one HTML part; stops long computation by tag floods. */
  readonly maxElements: number;
  /** Elements inside each other; stops stack and time exhaustion in us and in the browser. */
  readonly maxElementDepth: number;
  /** One embedded image, decoded bytes; stops answers that no client can show. */
  readonly maxImageBytes: number;
  /** All embedded images, decoded bytes, each use counted; stops one image used a thousand times. */
  readonly maxAllImagesBytes: number;
  /** Characters of the finished text; stops answers that no client can show. */
  readonly maxTextCharacters: number;
  /** Attachments in one description; stops endless cards. */
  readonly maxAttachments: number;
}

/** Bounds that no ordinary message meets. */
export const DEFAULT_LIMITS: PreviewLimits = {
  maxParts: 1000,
  maxDepth: 32,
  maxHeaderBytes: 256 * KIB,
  maxAllHeadersBytes: 2 * MIB,
  maxTextBytes: 4 * MIB,
  maxHtmlSourceBytes: 16 * MIB,
  maxContainerBytes: 8 * MIB,
  maxHtmlBytes: 1 * MIB,
  maxElements: 20_000,
  maxElementDepth: 256,
  maxImageBytes: 1.5 * MIB,
  maxAllImagesBytes: 1.5 * MIB,
  maxTextCharacters: 256 * KIB,
  maxAttachments: 200,
};

/** Why a preview is less than the whole message, or text instead of HTML. */
export type PreviewReason =
  | 'TIME_LIMIT'
  | 'MEMORY_LIMIT'
  | 'TOO_MANY_PARTS'
  | 'TOO_DEEP'
  | 'TOO_MANY_ELEMENTS'
  | 'HEADERS_TOO_LARGE'
  | 'CONTENT_TOO_LARGE'
  | 'NO_HTML_PART'
  | 'UNREADABLE';
