import * as v from 'valibot';
import type { ValueForm } from '../../interface/inputs/input.ts';
import { Problem, patterned } from '../../interface/inputs/values.ts';

/* What a schema of a policy is made of: texts that a parser of the inputs takes, names of secrets, numbers, keys. */

/** A parser of the inputs. By its pattern, or the words it takes, an editor checks what the program checks. */
export interface TextParser {
  (text: string): unknown;
  readonly pattern?: RegExp;
  readonly form?: ValueForm;
}

/** A text that a parser of the inputs accepts */
export function text(description: string, parse: TextParser = (value) => value) {
  const { pattern, form } = parse;
  return v.pipe(
    v.string(),
    v.description(description),
    v.metadata({ pattern, words: form?.kind === 'choice' ? form.values : undefined }),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const refusal = refuse(dataset.value, parse);
      if (refusal !== undefined) addIssue({ message: refusal });
    }),
  );
}

const isLeaked =
  'Put it into a secret of the repository, and write the name of that secret where one is wanted. Replace it if this file was pushed';

/** What no text of a policy may hold, and what is said of it. No message quotes the text. */
export const forbidden: readonly { readonly pattern: RegExp; readonly message: string }[] = [
  {
    // GitHub would evaluate it in a job that has the secrets.
    pattern: /\$\{\{/,
    message: 'holds an expression (${{). Write the value itself',
  },
  {
    pattern: /:\/\/[^/?#\s]*:[^/?#\s]*@|\bpassword=[^\s'"]/,
    message: `holds an address with a password. ${isLeaked}`,
  },
  {
    pattern: /AGE-SECRET-KEY-|age-secret-key-/,
    message:
      'holds an age identity, which is the secret half. Write the name of the secret with it, or the recipient that starts with age1, ' +
      'which `age-keygen -y` prints. Make a new one if this file was pushed',
  },
  { pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----/, message: `holds a private key. ${isLeaked}` },
  {
    pattern: /\b(?:gh[opsur]_[A-Za-z0-9]{20}|github_pat_[A-Za-z0-9]{20}|sbp_[0-9a-f]{20})/,
    message: `holds a token. ${isLeaked}`,
  },
];

function refuse(value: string, parse: TextParser): string | undefined {
  if (value.trim() === '') return 'is empty. Leave the key out instead';
  const found = forbidden.find(({ pattern }) => pattern.test(value));
  if (found !== undefined) return found.message;
  try {
    const parsed = parse(value.trim());
    return Array.isArray(parsed) && parsed.length === 0 ? 'is empty. Leave the key out instead' : undefined;
  } catch (error) {
    if (error instanceof Problem) return `${error.message}. ${error.remedy.replace(/\.$/, '')}`;
    throw error;
  }
}

export function shaped(description: string, pattern: RegExp, message: string, remedy: string) {
  return text(
    description,
    patterned(pattern, (value) => {
      if (!pattern.test(value)) throw new Problem(message, remedy);
    }),
  );
}

/** One text or a list of texts; a list is joined by commas for the input. */
export function texts(description: string, parse?: TextParser) {
  return v.union(
    [
      text(description, parse),
      v.pipe(
        v.array(text(description, parse)),
        v.minLength(1, 'is an empty list. Leave the key out instead'),
      ),
    ],
    'is neither a text nor a list of texts. Write one of them',
  );
}

export function secretName(description: string) {
  return shaped(
    `Name of the repository's secret with ${description}. Never the secret itself.`,
    /^(?!GITHUB_)[A-Z_][A-Z0-9_]{0,99}$/,
    'is not the name of a secret',
    'Write the name in capitals, such as DATABASE_URL, and set the secret in the settings of the repository',
  );
}

/** A whole number from `least` to `most` */
export function count(least: number, most: number, description: string) {
  return v.pipe(
    v.number(),
    v.integer('is not a whole number. Write one'),
    v.minValue(least, `is below ${least}. Write ${least} or more`),
    v.maxValue(most, `is above ${most}. Write ${most} or less`),
    v.description(description),
  );
}

/** These keys and no others. `v.strictObject` alone would take an empty list. */
export function keysOf<const Entries extends v.ObjectEntries>(entries: Entries) {
  const schema = v.strictObject(entries);
  const run: (typeof schema)['~run'] = (dataset, config) =>
    schema['~run'](Array.isArray(dataset.value) ? { value: false } : dataset, config);
  return { ...schema, '~run': run };
}
