import { createHash } from 'node:crypto';
import { Lexer, parseDocument } from 'yaml';

/**
 * The head of a generated workflow: what it comes from, and the hash of what follows, by which a change by hand is told from one
 * of the policy. What counts is what the YAML means, and its comments: formatters and checkouts change quotes and ends of lines,
 * which is no edit.
 */

const first = (policyPath: string) =>
  `# Generated from ${policyPath} by \`supabase-backup schedule\`; edit the policy instead.\n`;

/** @param policyPath in its repository */
export function addHeader(text: string, policyPath: string): string {
  return `${first(policyPath)}# sha256:${hash(text)}\n\n${text}`;
}

export interface Generated {
  readonly policyPath: string;
  /** Whether it is as it was written */
  readonly untouched: boolean;
}

/** Undefined for a file that is not ours. */
export function readHeader(content: string): Generated | undefined {
  const [head, policyPath, sum] =
    /^\s*# Generated from (.+) by `supabase-backup schedule`; edit the policy instead\.\r?\n# sha256:([0-9a-f]{64})\r?\n/.exec(
      content,
    ) ?? [];
  if (head === undefined || policyPath === undefined) return undefined;
  return { policyPath, untouched: hash(content.slice(head.length)) === sum };
}

/** Whether two workflows are the same to GitHub. */
export function meansSame(one: string, other: string): boolean {
  return meaningOf(one) === meaningOf(other);
}

function hash(text: string): string {
  return createHash('sha256').update(meaningOf(text)).digest('hex');
}

/** The text itself where it is no YAML, or has aliases that lead nowhere or in a circle. */
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
