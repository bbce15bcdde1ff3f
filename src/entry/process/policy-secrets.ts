import { readFileSync } from 'node:fs';
import { secretsOfCopies } from '../../interface/inputs/copies-values.ts';
import type { ReadInput } from '../../interface/inputs/schema.ts';

/** Keys of a policy with the name of a variable that an operation reads, as `copies: COPIES_OF_SHOP` */
const namingKeys =
  /\b(repository-key|supabase-access-token|copies)["']?\s*:\s*(?:&\S+\s+)?["']?([A-Z_][A-Z0-9_]{0,99})\b/g;

/**
 * Lists what the variables hold that the policy names, also of a policy that is wrong: its mistakes are told
 * later.
 */
export function secretsOfPolicy(read: ReadInput, env: NodeJS.ProcessEnv): readonly string[] {
  const file = read('policy')?.trim();
  if (!file) return [];
  return Array.from(readText(file).matchAll(namingKeys)).flatMap(([, key, name = '']) => {
    const text = env[name]?.trim() ?? '';
    return key === 'copies' ? secretsOfCopies(text) : text === '' ? [] : [text];
  });
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // The operation says that it cannot be read, and reads no variable either.
    return '';
  }
}
