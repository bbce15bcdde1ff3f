import { assertNever } from '../runtime/errors.ts';
import { type NameInput, nameForWorkflow, renderWording } from '../runtime/wording.ts';
import type { Section, Shown } from './section.ts';
import { Form, type Writing } from './written-form.ts';

/** A shorter secret protects nothing, and its letters occur in ordinary words of every report. */
const shortest = 4;

export type Redact = (text: string) => string;

/**
 * Creates a function that replaces secrets in all common notations. Each character may be literal,
 * percent-encoded, or escaped as in JSON, SQL, a shell, libpq, XML or Markdown; notations may be nested and
 * mixed. The whole secret may stand in hexadecimal digits or in base64, at any offset and broken into lines.
 * The runner's own masking covers its log only, knows fewer notations, and covers nothing that we send.
 */
export function createRedactor(secrets: readonly string[]): Redact {
  const texts = [...new Set(secrets.flatMap((secret) => [secret, decode(secret)]))]
    .filter((text) => text.length >= shortest)
    // Longest first: a secret that is part of another one would leave the rest of it standing.
    .sort((one, other) => other.length - one.length);
  const forms = texts.flatMap((text) => {
    const written = [
      new Form(isWord(text) ? asWord(toSignsWriting(text)) : toSignsWriting(text)),
      // A secret that contains another long one needs no encoded forms: those of the part match inside.
      ...(texts.some((part) => part !== text && part.length >= 8 && text.includes(part))
        ? []
        : toEncodedWritings(text).map((form) => new Form(form))),
    ];
    return written.map((form) => ({ form, least: text.length }));
  });
  // No notation of a secret is shorter than the secret.
  return (text) =>
    forms.reduce(
      (masked, { form, least }) => (masked.length < least ? masked : form.replaceIn(masked, '***')),
      text,
    );
}

/** Replaces secrets, and learns of some only while the run goes on. */
export interface Masks {
  /** Always the same function, which replaces all that is known by the time of the call */
  readonly redact: Redact;
  add(secret: string): void;
}

/** @param secrets those that are known from the start */
export function createMasks(secrets: readonly string[]): Masks {
  const known = [...secrets];
  let redact = createRedactor(known);
  return {
    redact: (text) => redact(text),
    add(secret) {
      known.push(secret);
      redact = createRedactor(known);
    },
  };
}

/**
 * Redacts a report before it is rendered, because escaping for Markdown would change the text of a secret.
 */
export function redactReport(
  report: readonly Section[],
  redact: Redact,
  name: NameInput = nameForWorkflow,
): readonly Section[] {
  const redactShown = (section: Shown): Shown => {
    switch (section.kind) {
      case 'paragraph':
        return { ...section, text: redact(renderWording(section.text, name)) };
      case 'heading':
      case 'code':
        return { ...section, text: redact(section.text) };
      case 'table':
        return {
          ...section,
          rows: section.rows.map((row) => row.map((cell) => redact(renderWording(cell, name)))),
        };
      default:
        return assertNever(section);
    }
  };
  return report.map((section) =>
    section.kind === 'details'
      ? { ...section, title: redact(section.title), sections: section.sections.map(redactShown) }
      : redactShown(section),
  );
}

/** Redacts the reason that a record stores; a missing reason becomes null. */
export function redactReason(reason: string | null | undefined, redact: Redact): string | null {
  return typeof reason === 'string' ? redact(reason) : null;
}

/** Tells whether a password looks like a word, as `owner` does: within a longer word it is no secret. */
function isWord(text: string): boolean {
  return /^[A-Za-z][a-z]{0,8}$/.test(text);
}

/**
 * Requires that no letter, digit or underscore adjoins the word, except as the end of an escaped character.
 */
function asWord(writing: Writing): Writing {
  const escaped = String.raw`(?<=%[0-9A-Fa-f]{2}|\\[nrtbf]|\\[ux][0-9A-Fa-f]{2,4})`;
  return { ...writing, edges: [`(?:(?<![A-Za-z0-9_])|${escaped})`, '(?![A-Za-z0-9_])'] };
}

/** Tells whether case does not matter, as in identities of age and in hexadecimal digits. */
function ignoresCase(text: string): boolean {
  return /^AGE-/i.test(text) || /^[0-9a-f]{16,}$/i.test(text);
}

/**
 * Backslashes before an escaped character: JSON in JSON in JSON has seven. All repetitions are bounded, which
 * bounds the time of a match.
 */
const backslashes = String.raw`\\{0,7}`;

/**
 * Matches a text, each character in any notation. A run of backslashes is one part, as each may be doubled
 * several times.
 */
function toSignsWriting(text: string): Writing {
  const parts = (text.match(/\\+|[^\\]/gsu) ?? []).map((part, index) => {
    const { length } = part;
    if (!part.startsWith('\\')) return `${index > 0 ? backslashes : ''}(?:${waysOf(part).join('|')})`;
    return `(?:\\\\{${length},${length * 8 + 7}}|(?:${encodedWaysOf('\\').join('|')}){${length}})`;
  });
  return { parts, between: '', ignoresCase: ignoresCase(text) };
}

/** Patterns for the notations of one character, without a backslash before it */
function waysOf(sign: string): string[] {
  const named = names[sign] ?? [];
  // Longer notations first: a shorter match would leave the rest standing.
  return [...named, ...encodedWaysOf(sign), quoteForPattern(sign)];
}

/** Named and doubled forms of characters that have a meaning in some notation */
const names: Readonly<Record<string, readonly string[]>> = {
  '\n': [String.raw`\\{1,8}n`, String.raw`\r\n`],
  '\r': [String.raw`\\{1,8}r`],
  '\t': [String.raw`\\{1,8}t`],
  ' ': [String.raw`\+`],
  // Doubled in SQL, and '\'' in a shell.
  "'": ["''", String.raw`'\\{1,7}''`, '&(?:amp;){0,3}apos;'],
  '"': ['""', '&(?:amp;){0,3}quot;'],
  '&': ['&(?:amp;){1,4}'],
  '<': ['&(?:amp;){0,3}lt;'],
  '>': ['&(?:amp;){0,3}gt;'],
  // Doubled in format strings, and `$` in the interpolation of Compose files.
  '%': ['%%'],
  $: [String.raw`\$\$`],
};

/** Patterns for one character by its number: in a URL (encoded repeatedly, too), JSON, code and XML */
function encodedWaysOf(sign: string): string[] {
  const bytes = [...Buffer.from(sign)];
  const inUrl = bytes.map((byte) => `%(?:25){0,3}${hexDigits(byte)}`).join('');
  const inString = bytes.map((byte) => `\\\\{1,8}x${hexDigits(byte)}`).join('');
  const inJson = [...sign.split('')].map((unit) => `\\\\{1,8}u${hexDigits(unit.charCodeAt(0), 4)}`).join('');
  const point = sign.codePointAt(0) ?? 0;
  const inXml = `&(?:amp;){0,3}#(?:0{0,4}${point}|[xX]0{0,4}${hexDigits(point, 1)});`;
  return [inUrl, inString, inJson, inXml];
}

/** A pattern for hexadecimal digits of either case */
function hexDigits(value: number, width = 2): string {
  return value
    .toString(16)
    .padStart(width, '0')
    .replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}

function quoteForPattern(sign: string): string {
  return /[\^$\\.*+?()[\]{}|/]/.test(sign) ? `\\${sign}` : sign;
}

/** Hexadecimal and base64 forms of a text, also of the text as JSON or a URL would hold it. */
function toEncodedWritings(text: string): Writing[] {
  const contents = new Set([
    text,
    JSON.stringify(text).slice(1, -1),
    encodeURIComponent(text.toWellFormed()),
  ]);
  return [...contents].flatMap((content) => [toHexWriting(content), ...toBase64Writings(content)]);
}

/** Matches `70 77`, `70:77` and `\x70\x77` as well as `7077`. */
function toHexWriting(text: string): Writing {
  const parts = [...Buffer.from(text)].map((byte) => hexDigits(byte));
  return { parts, between: String.raw`(?:[\s:,]{1,2}|\\{1,4}[xrn]|0x)?`, ignoresCase: false };
}

/**
 * Base64 of a text depends on the number of bytes before it, modulo three. Letters that encode bits of a
 * neighbouring byte are left out.
 */
function toBase64Writings(text: string): Writing[] {
  return [0, 1, 2].flatMap((shift) => {
    const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(text)]);
    const whole = Math.floor((bytes.length * 8) / 6);
    const core = bytes.toString('base64').slice(Math.ceil((shift * 8) / 6), whole);
    // A short run of base64 may be part of an ordinary word.
    if (core.length < 8) return [];
    return [{ parts: [...core].map(describeLetter), between: lineBreak, ignoresCase: false }];
  });
}

/** A line break as in MIME and PEM, or escaped as in JSON */
const lineBreak = String.raw`(?:\s{1,2}|(?:\\{1,4}[rn]){1,2})?`;

/** A pattern for one letter of base64 or base64url, also percent-encoded */
function describeLetter(letter: string): string {
  if (letter === '+') return '(?:[+-]|%2[Bb])';
  if (letter === '/') return String.raw`(?:\\{0,4}\/|_|%2[Ff])`;
  return letter;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The text is not percent-encoded, and so is its own plain form.
    return text;
  }
}

/** Patterns of keys and passwords that definitions hold */
const keysInDefinitions: readonly (readonly [RegExp, string])[] = [
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, 'eyJ…'],
  [/\bsb_secret_[\w-]+/g, 'sb_secret_…'],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]+/gi, '$1 …'],
  [/(:\/\/[^\s:/@]+):[^\s@/]+@/g, '$1:…@'],
];

/**
 * Redacts a definition for a report that others may read: replaces what looks like a key or a password, and
 * the arguments of a trigger.
 */
export function redactDefinition(text: string): string {
  return keysInDefinitions.reduce(
    (shown, [pattern, instead]) => shown.replace(pattern, instead),
    withoutArguments(text),
  );
}

/**
 * Replaces the arguments of a trigger, because those of a webhook's trigger hold a whole request with its
 * headers. Names are untrusted text and may hold parentheses, so the scan counts double quotes; a regular
 * expression could backtrack without bound.
 */
function withoutArguments(text: string): string {
  const start = text.search(/EXECUTE (?:FUNCTION|PROCEDURE) /);
  if (start < 0) return text;
  let open = start;
  for (let isQuoted = false; open < text.length && (isQuoted || text[open] !== '('); open++) {
    if (text[open] === '"') isQuoted = !isQuoted;
  }
  const close = text.lastIndexOf(')');
  return close > open + 1 ? `${text.slice(0, open + 1)}…${text.slice(close)}` : text;
}
