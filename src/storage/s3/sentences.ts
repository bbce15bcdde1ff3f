import type { Wording } from '../../runtime/wording.ts';

/* The parts of a message about a failed request */

/** The action of a request, as the message of its error names it */
export type Action = 'store' | 'create' | 'read' | 'look at' | 'list' | 'delete';

/** The destination of a request, for messages; it holds no secret. */
export interface S3Place {
  readonly bucket: string;
  /** Undefined for Amazon S3 */
  readonly endpoint: URL | undefined;
  /** The environment that names proxies and authorities */
  readonly env: NodeJS.ProcessEnv;
}

/** The facts about a failed request */
export interface Failed extends S3Place {
  readonly action: Action;
  /** Whether the store has ever answered a request */
  readonly hasAnswered: boolean;
}

export interface S3Failure {
  readonly what: string;
  readonly next: string | Wording;
  /** True when the location, endpoint, region or key has to change, so that a retry cannot help */
  readonly configuration: boolean;
}

export type Words = readonly [what: string, next: string | Wording];

/** Returns host and port of the endpoint, or a name for Amazon's own. */
export function hostOf({ endpoint }: S3Place): string {
  return endpoint?.host ?? 'Amazon S3';
}

/** Builds a failure that another input fixes, with the store's own message where there is one. */
export const wrong = ([what, next]: Words, said = ''): S3Failure => ({
  what: said === '' ? what : `${what}: ${said}`,
  next,
  configuration: true,
});
/** Builds a failure that no input fixes, with the store's own message where there is one. */
export const failing = ([what, next]: Words, said = ''): S3Failure => ({
  ...wrong([what, next], said),
  configuration: false,
});

/**
 * Quotes a store's message, which is untrusted: it may repeat the signed headers of the request, including
 * the session token, and may have any length.
 */
export function quote(words: string): string {
  const [line = ''] = words.split('\n', 1);
  if (/AWS4|Signature=|Credential=/i.test(line)) return 'an answer that repeats the request';
  return line
    .replace(/\p{Cc}/gu, ' ')
    .replace(/[^\s,;:='"<>]{40,}/g, '…')
    .slice(0, 200);
}
