import * as v from 'valibot';
import { projectRefPattern } from '../values/project-ref.ts';
import { parseBounded } from './bounded-json.ts';

/*
 * The root key of Vault, as a backup carries it: one line of JSON, which is an object of the backup that neither
 * the archive, nor the supplement, nor a table refers to. Readers that do not know it pass over it.
 */

/** bytes of the plaintext at most; whatever is larger is something else */
export const rootKeySize = 65_536;

/** What the platform takes as the key: 64 hexadecimal digits so far, or base64 in its description */
export const rootKeyText = v.pipe(v.string(), v.regex(/^[\x21-\x7e]{16,4096}$/));

const schema = v.looseObject({
  kind: v.literal('vault-root-key'),
  project: v.pipe(v.string(), v.regex(projectRefPattern)),
  root_key: rootKeyText,
});

/** The key with which the secrets of a backup are encrypted; its value is a secret. */
export interface RootKey {
  /** The project that it was read from: twenty letters */
  readonly project: string;
  readonly value: string;
}

/** Equal keys make equal bytes, so that all backups with the key share one object. */
export function writeRootKey({ project, value }: RootKey): Buffer {
  return Buffer.from(`${JSON.stringify({ kind: 'vault-root-key', project, root_key: value })}\n`);
}

/** Returns undefined for the content of another object, of a kind that is newer than this program, for example. */
export function parseRootKey(plaintext: Buffer): RootKey | undefined {
  const parsed = v.safeParse(schema, tryJson(plaintext));
  return parsed.success ? { project: parsed.output.project, value: parsed.output.root_key } : undefined;
}

function tryJson(plaintext: Buffer): unknown {
  try {
    return parseBounded(plaintext);
  } catch {
    // An object that is no JSON is none of these.
    return undefined;
  }
}
