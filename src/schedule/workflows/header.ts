import { createHash } from 'node:crypto';
import { Lexer, parseDocument } from 'yaml';

/*
 * The header of a generated workflow: the path of its policy, and a hash of the text below, which tells an
 * edit by hand from a change of the policy. The hash covers the parsed YAML and the comments: formatters and
 * checkouts change quotes and line ends, which is no edit.
 */

const first = (policyPath: string) =>
  `# Generated from ${policyPath} by \`supabase-backup schedule\`; edit the policy instead.\n`;

/** @param policyPath path of the policy within its repository */
export function addHeader(text: string, policyPath: string): string {
  return `${first(policyPath)}# sha256:${hash(text)}\n\n${text}`;
}

export interface Generated {
  readonly policyPath: string;
  /** Whether the file means the same as when it was generated */
  readonly untouched: boolean;
}

/** Reads the header of a workflow; undefined for a file that `schedule` did not generate. */
export function readHeader(content: string): Generated | undefined {
  const [head, policyPath, sum] =
    /^\s*# Generated from (.+) by `supabase-backup schedule`; edit the policy instead\.\r?\n# sha256:([0-9a-f]{64})\r?\n/.exec(
      content,
    ) ?? [];
  if (head === undefined || policyPath === undefined) return undefined;
  return { policyPath, untouched: hash(content.slice(head.length)) === sum };
}

/** Tells whether two workflows have the same parsed YAML and the same comments. */
export function meansSame(one: string, other: string): boolean {
  return meaningOf(one) === meaningOf(other);
}

function hash(text: string): string {
  return createHash('sha256').update(meaningOf(text)).digest('hex');
}

/**
 * Returns the parsed YAML and the comments as text; the text itself when it is no YAML, or an alias is
 * dangling or circular.
 */
function meaningOf(text: string): string {
  const document = parseDocument(text);
  if (document.errors.length > 0) return text;
  const comments = [...new Lexer().lex(text)]
    .filter((token) => token.startsWith('#'))
    .map((token) => token.trim());
  try {
    return JSON.stringify([document.toJS(), comments]);
  } catch {
    return text;
  }
}
