import { formatCounted } from '../../report/quantity.ts';
import type { Wording } from '../../runtime/wording.ts';
import type { ValueForm } from './input.ts';
import { type HeartbeatSignal, heartbeatSignals } from './operations.ts';

/* Parsers for the texts of inputs. Each gets a trimmed text that is not empty, and throws only `Problem`. */

/** A wrong input: the mistake, and what to write instead. Neither may quote a secret. */
export class Problem extends Error {
  readonly remedy: string;
  /** Both, with the references to inputs that they hold */
  readonly told: { readonly message: string | Wording; readonly remedy: string | Wording };

  constructor(message: string | Wording, remedy: string | Wording) {
    super(String(message));
    this.remedy = String(remedy);
    this.told = { message, remedy };
  }
}

/** A parser that says which texts it takes. */
interface Describing<T> {
  (text: string): T;
  readonly form: ValueForm;
}

/** A parser that says by a pattern which texts it takes, as far as a pattern can; JSON schemas are made of these. */
export interface Patterned<T> {
  (text: string): T;
  readonly pattern: RegExp;
}

export function patterned<T>(pattern: RegExp, parse: (text: string) => T): Patterned<T> {
  return Object.assign(parse, { pattern });
}

export function oneOf<const T extends string>(values: readonly T[]): Describing<T> {
  const parse = (text: string) => {
    const found = values.find((value) => value === text);
    if (found === undefined) throw new Problem(`cannot be ${JSON.stringify(text)}`, `Write ${list(values)}.`);
    return found;
  };
  return Object.assign(parse, { form: { kind: 'choice', values } as const });
}

/**
 * Quotes only a text that looks like a word: a user who forgot the `--name` of a secret input must not see
 * the secret in a log.
 */
export function quoteWord(text: string): string {
  return /^[a-z][a-z-]{0,19}$/i.test(text)
    ? JSON.stringify(text)
    : `what is written there (${formatCounted(text.length, 'character')}; hidden because it may be a secret)`;
}

/** Quotes a text that cannot be a secret: short, and without the signs of an address or a key. */
export function quoteHarmless(text: string): string {
  return /^[\w.:+-]{1,40}$/.test(text)
    ? JSON.stringify(text)
    : `that (${formatCounted(text.length, 'character')}, hidden because it may be a secret)`;
}

/**
 * Makes a parser for texts that match a pattern. Its error does not quote the text, which may be a secret.
 */
export function matching(pattern: RegExp, message: string, remedy: string): Patterned<string> {
  return patterned(pattern, (text) => {
    if (!pattern.test(text)) throw new Problem(message, remedy);
    return text;
  });
}

export function wholeNumber(least: number, most: number): Describing<number> {
  const parse = (text: string) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new Problem(`cannot be ${JSON.stringify(text)}`, `Write a whole number from ${least} to ${most}.`);
  };
  return Object.assign(parse, { form: { kind: 'integer', least, most } as const });
}

/** The YAML 1.2 core schema, as GitHub's own actions read booleans. */
export function parseBoolean(text: string): boolean {
  if (/^(true|True|TRUE)$/.test(text)) return true;
  if (/^(false|False|FALSE)$/.test(text)) return false;
  throw new Problem(`cannot be ${JSON.stringify(text)}`, 'Write true or false.');
}

export function parseShare(text: string): number {
  const [, digits] = /^(\d{1,3}(?:\.\d{1,6})?) ?%$/.exec(text) ?? [];
  const share = Number(digits ?? Number.NaN) / 100;
  if (share > 0 && share <= 1) return share;
  throw new Problem(
    `cannot be ${JSON.stringify(text)}`,
    'Write a percentage above 0% and up to 100%, such as 10%.',
  );
}

/** A price without its currency. */
export function parsePrice(text: string): number {
  if (/^\d{1,6}(\.\d{1,9})?$/.test(text)) return Number(text);
  throw new Problem(
    `cannot be ${JSON.stringify(text)}`,
    'Write a decimal number such as 0.023, without a currency.',
  );
}

export function splitList(text: string): readonly string[] {
  return text
    .split(/[,\r\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Makes the pattern of what `splitList` splits, of that of one part. There is at least one. */
export function patternOfList({ source, flags }: RegExp): RegExp {
  const part = `(?:${source.replace(/^\^|\$$/g, '')})`;
  return new RegExp(`^[\\s,]*${part}(?:\\s*[,\\r\\n][\\s,]*${part})*[\\s,]*$`, flags);
}

export function list(values: readonly string[], word: 'or' | 'and' = 'or'): string {
  return values.length < 2 ? values.join() : `${values.slice(0, -1).join(', ')} ${word} ${values.at(-1)}`;
}

/** Makes a parser for a list of names of one form. */
export function listOf(form: RegExp, wrong: string, remedy: string): Patterned<readonly string[]> {
  return patterned(patternOfList(form), (text) =>
    splitList(text).map((name) => {
      if (form.test(name)) return name;
      throw new Problem(`cannot contain ${JSON.stringify(name)}: ${wrong}`, remedy);
    }),
  );
}

export const parseSignals = patterned(
  patternOfList(new RegExp(heartbeatSignals.join('|'))),
  (text): readonly HeartbeatSignal[] => splitList(text).map(oneOf(heartbeatSignals)),
);

/** An address to send messages to: https, or this machine. */
export function parseWebhook(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Problem('is not an address', 'Write it as in https://example.com/path.');
  }
  const local = url.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol === 'https:' || local) return url.href;
  throw new Problem(`has the scheme ${url.protocol}`, 'Write an address with https.');
}
