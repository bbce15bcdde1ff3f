import * as v from 'valibot';
import { Problem } from '../../interface/inputs/values.ts';

/* Schemas of the texts in a policy: what a parser of the inputs takes, and names of secrets. */

/** A text that a parser of the inputs accepts */
export function text(description: string, parse?: (text: string) => unknown) {
  return v.pipe(
    v.string(),
    v.description(description),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const refusal = refuse(dataset.value, parse);
      if (refusal !== undefined) addIssue({ message: refusal });
    }),
  );
}

function refuse(value: string, parse: ((text: string) => unknown) | undefined): string | undefined {
  if (value.trim() === '') return 'is empty. Leave the key out instead';
  // GitHub would evaluate the expression in a job that has the secrets.
  if (value.includes('${{')) return 'holds an expression (${{). Write the value itself';
  try {
    parse?.(value.trim());
    return undefined;
  } catch (error) {
    if (error instanceof Problem) return `${error.message}. ${error.remedy.replace(/\.$/, '')}`;
    throw error;
  }
}

export function shaped(description: string, pattern: RegExp, message: string, remedy: string) {
  return text(description, (value) => {
    if (!pattern.test(value)) throw new Problem(message, remedy);
  });
}

/** One text or a list of texts; a list is joined by commas for the input. */
export function texts(description: string, parse?: (text: string) => unknown) {
  return v.union(
    [text(description, parse), v.array(text(description, parse))],
    'is neither a text nor a list of texts',
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
