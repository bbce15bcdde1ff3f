import { assertNever } from '../runtime/errors.ts';
import type { Section } from './section.ts';
import { Form, type Writing } from './written-form.ts';

/** A shorter text protects nothing, and its letters are all over the words of a report. */
const shortest = 4;

export type Mask = (text: string) => string;

/**
 * Replaces secrets, however they are written: each sign as it is, percent-encoded, escaped as in JSON, SQL, a shell, libpq, XML or Markdown,
 * one way within another, mixed; the whole in hexadecimal digits or in base64, at any place of it and broken into lines. A runner masks its
 * log only, by fewer forms, and nothing that we send.
 */
export function createMask(secrets: readonly string[]): Mask {
  const texts = [...new Set(secrets.flatMap((secret) => [secret, decode(secret)]))]
    .filter((text) => text.length >= shortest)
    // One that is part of another would leave the rest of it.
    .sort((one, other) => other.length - one.length);
  const forms = texts.flatMap((text) => {
    const written = [
      new Form(isWord(text) ? asWord(describeSigns(text)) : describeSigns(text)),
      // Where another is part of it, its forms are found in those of the whole.
      ...(texts.some((part) => part !== text && part.length >= 8 && text.includes(part))
        ? []
        : describeEncoded(text).map((form) => new Form(form))),
    ];
    return written.map((form) => ({ form, least: text.length }));
  });
  // No way to write a text is shorter than the text.
  return (text) =>
    forms.reduce(
      (masked, { form, least }) => (masked.length < least ? masked : form.replaceIn(masked, '***')),
      text,
    );
}

/** A report before it is rendered: escaped for Markdown, a secret would be another text. */
export function maskReport(report: readonly Section[], mask: Mask): readonly Section[] {
  return report.map((section) => {
    switch (section.kind) {
      case 'heading':
      case 'paragraph':
      case 'code':
        return { ...section, text: mask(section.text) };
      case 'table':
        return { ...section, rows: section.rows.map((row) => row.map(mask)) };
      default:
        return assertNever(section);
    }
  });
}

/** For a record: what there is nothing to say of stays null. */
export function maskReason(reason: string | null | undefined, mask: Mask): string | null {
  return typeof reason === 'string' ? mask(reason) : null;
}

/** A password like `owner` or `tiger`: as a part of other words, of names above all, it is none. */
function isWord(text: string): boolean {
  return /^[A-Za-z][a-z]{0,8}$/.test(text);
}

/** Nothing of a word stands beside it; what ends an escaped sign is nothing of one. */
function asWord(writing: Writing): Writing {
  const escaped = String.raw`(?<=%[0-9A-Fa-f]{2}|\\[nrtbf]|\\[ux][0-9A-Fa-f]{2,4})`;
  return { ...writing, edges: [`(?:(?<![A-Za-z0-9_])|${escaped})`, '(?![A-Za-z0-9_])'] };
}

/** Whoever reads an identity of age, or hexadecimal digits, takes letters of either case. */
function ignoresCase(text: string): boolean {
  return /^AGE-/i.test(text) || /^[0-9a-f]{16,}$/i.test(text);
}

/** What may stand before an escaped sign: JSON in JSON in JSON has seven. Every number here is bounded, so that no text takes long. */
const backslashes = String.raw`\\{0,7}`;

/** Matches a text each of whose signs is written in any way. Backslashes are counted together: each may be doubled several times. */
function describeSigns(text: string): Writing {
  const parts = (text.match(/\\+|[^\\]/gsu) ?? []).map((part, index) => {
    const { length } = part;
    if (!part.startsWith('\\')) return `${index > 0 ? backslashes : ''}(?:${waysOf(part).join('|')})`;
    return `(?:\\\\{${length},${length * 8 + 7}}|(?:${encodedWaysOf('\\').join('|')}){${length}})`;
  });
  return { parts, between: '', ignoresCase: ignoresCase(text) };
}

/** The ways in which one sign is written, besides the backslash that may stand before it */
function waysOf(sign: string): string[] {
  const named = names[sign] ?? [];
  // The longer first: of a shorter one something would be left.
  return [...named, ...encodedWaysOf(sign), quoteForPattern(sign)];
}

/** Names and doublings of the signs that a notation takes for its own */
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
  // In a format string, and in the interpolation of Compose files.
  '%': ['%%'],
  $: [String.raw`\$\$`],
};

/** By its number: in a URL (encoded again and again, too), in JSON and other languages, in XML */
function encodedWaysOf(sign: string): string[] {
  const bytes = [...Buffer.from(sign)];
  const inUrl = bytes.map((byte) => `%(?:25){0,3}${hexDigits(byte)}`).join('');
  const inString = bytes.map((byte) => `\\\\{1,8}x${hexDigits(byte)}`).join('');
  const inJson = [...sign.split('')].map((unit) => `\\\\{1,8}u${hexDigits(unit.charCodeAt(0), 4)}`).join('');
  const point = sign.codePointAt(0) ?? 0;
  const inXml = `&(?:amp;){0,3}#(?:0{0,4}${point}|[xX]0{0,4}${hexDigits(point, 1)});`;
  return [inUrl, inString, inJson, inXml];
}

/** Of either case */
function hexDigits(value: number, width = 2): string {
  return value
    .toString(16)
    .padStart(width, '0')
    .replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}

function quoteForPattern(sign: string): string {
  return /[\^$\\.*+?()[\]{}|/]/.test(sign) ? `\\${sign}` : sign;
}

/** The whole in other letters. What was encoded may have been a URL, or JSON. */
function describeEncoded(text: string): Writing[] {
  const contents = new Set([
    text,
    JSON.stringify(text).slice(1, -1),
    encodeURIComponent(text.toWellFormed()),
  ]);
  return [...contents].flatMap((content) => [describeHex(content), ...describeBase64(content)]);
}

/** `70 77`, `70:77` and `\x70\x77` as well as `7077` */
function describeHex(text: string): Writing {
  const parts = [...Buffer.from(text)].map((byte) => hexDigits(byte));
  return { parts, between: String.raw`(?:[\s:,]{1,2}|\\{1,4}[xrn]|0x)?`, ignoresCase: false };
}

/** Base64 of a text depends on how many bytes stand before it: there are three ways, less the letters that neighbours share. */
function describeBase64(text: string): Writing[] {
  return [0, 1, 2].flatMap((shift) => {
    const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(text)]);
    const whole = Math.floor((bytes.length * 8) / 6);
    const core = bytes.toString('base64').slice(Math.ceil((shift * 8) / 6), whole);
    // Few letters of base64 are part of ordinary words.
    if (core.length < 8) return [];
    return [{ parts: [...core].map(describeLetter), between: lineBreak, ignoresCase: false }];
  });
}

/** MIME and PEM break lines, and JSON writes the break as letters. */
const lineBreak = String.raw`(?:\s{1,2}|(?:\\{1,4}[rn]){1,2})?`;

/** Base64, base64url, and either in a URL */
function describeLetter(letter: string): string {
  if (letter === '+') return '(?:[+-]|%2[Bb])';
  if (letter === '/') return String.raw`(?:\\{0,4}\/|_|%2[Ff])`;
  return letter;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoded: then it is its own plain form.
    return text;
  }
}

/** Keys and passwords that stand in definitions */
const keysInDefinitions: readonly (readonly [RegExp, string])[] = [
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, 'eyJ…'],
  [/\bsb_secret_[\w-]+/g, 'sb_secret_…'],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]+/gi, '$1 …'],
  [/(:\/\/[^\s:/@]+):[^\s@/]+@/g, '$1:…@'],
];

/** A definition for a report that others may read: without what looks like a key or a password, and without the arguments of a trigger. */
export function redactDefinition(text: string): string {
  return keysInDefinitions.reduce(
    (shown, [pattern, instead]) => shown.replace(pattern, instead),
    withoutArguments(text),
  );
}

/**
 * The arguments of a webhook's trigger hold a whole request, with its headers. Names are written by others: their quotes are counted, and
 * tried in no other way.
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
