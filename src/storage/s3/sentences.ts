/* What the sentences about a failed request are made of. */

/** What a request does, in the words of its error. */
export type Action = 'store' | 'create' | 'read' | 'look at' | 'list' | 'delete';

/** Where a request went, for messages. Holds no secret. */
export interface S3Place {
  readonly bucket: string;
  /** Absent for Amazon's own */
  readonly endpoint: URL | undefined;
  /** Where proxies and authorities are named */
  readonly env: NodeJS.ProcessEnv;
}

/** What is known of a request that failed. */
export interface Failed extends S3Place {
  readonly action: Action;
  /** Whether anything was ever answered from there */
  readonly hasAnswered: boolean;
}

export interface S3Failure {
  readonly what: string;
  readonly next: string;
  /** True when another location, endpoint, region or key is needed, so that trying later cannot help. */
  readonly configuration: boolean;
}

export type Words = readonly [what: string, next: string];

/** Host and port of the endpoint, or a name for Amazon's own. */
export function hostOf({ endpoint }: S3Place): string {
  return endpoint?.host ?? 'Amazon S3';
}

/** What another input mends, with the words of the store where it said any. */
export const wrong = ([what, next]: Words, said = ''): S3Failure => ({
  what: said === '' ? what : `${what}: ${said}`,
  next,
  configuration: true,
});
/** The same, where no input mends it. */
export const failing = ([what, next]: Words, said = ''): S3Failure => ({
  ...wrong([what, next], said),
  configuration: false,
});

/**
 * The words of a store, who may say anything: it may repeat the headers that sign a request, the session token among them, and go on for
 * pages.
 */
export function quote(words: string): string {
  const [line = ''] = words.split('\n', 1);
  if (/AWS4|Signature=|Credential=/i.test(line)) return 'an answer that repeats the request';
  return line
    .replace(/\p{Cc}/gu, ' ')
    .replace(/[^\s,;:='"<>]{40,}/g, '…')
    .slice(0, 200);
}
