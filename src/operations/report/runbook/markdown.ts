import { chooseFence, escapeMarkdown } from '../../../report/markdown.ts';
import { printable, printableCode } from '../../../report/printable.ts';

/*
 * Markdown whose author is this program, with values from databases and storages in it. The tag `md` escapes
 * every value, so that a name is shown and never read as Markdown.
 */

/** Text that is Markdown already */
export interface Markdown {
  readonly markdown: string;
}

export function md(
  parts: TemplateStringsArray,
  ...values: readonly (string | number | Markdown)[]
): Markdown {
  return { markdown: String.raw({ raw: parts }, ...values.map(toMarkdown)) };
}

function toMarkdown(value: string | number | Markdown): string {
  return typeof value === 'object' ? value.markdown : escapeLine(String(value));
}

/** Escapes a text for one line, a table's cell included. */
function escapeLine(text: string): string {
  return escapeMarkdown(printable(text));
}

/** Shows a text as code within a line. In a cell of a table a vertical line needs the backslash, elsewhere not. */
export function code(text: string): Markdown {
  const shown = printable(text);
  const ticks = '`'.repeat(1 + Math.max(0, ...[...shown.matchAll(/`+/g)].map(([run]) => run.length)));
  const space = /^`|`$|^ .* $/.test(shown) || shown === '' ? ' ' : '';
  return { markdown: `${ticks}${space}${shown}${space}${ticks}` };
}

/** A block of code. `sh` is run as it stands; `text` is what a program prints. */
export function fence(language: 'sh' | 'text' | 'console' | 'sql' | 'mermaid', text: string): Markdown {
  const ticks = chooseFence(text);
  return { markdown: `${ticks}${language}\n${printableCode(text).trimEnd()}\n${ticks}` };
}

export function table(
  titles: readonly string[],
  rows: readonly (readonly (string | number | Markdown)[])[],
): Markdown {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const cell = (value: string | number | Markdown) =>
    // A vertical line ends a cell, also within code.
    typeof value === 'object' ? value.markdown.replace(/(?<!\\)\|/g, '\\|') : escapeLine(String(value));
  return {
    markdown: [line(titles), line(titles.map(() => '---')), ...rows.map((row) => line(row.map(cell)))].join(
      '\n',
    ),
  };
}

/** Joins blocks with an empty line between them. */
export function stack(...blocks: readonly (Markdown | undefined)[]): Markdown {
  const present = blocks.flatMap((block) => (block === undefined || block.markdown === '' ? [] : [block]));
  return { markdown: present.map(({ markdown }) => markdown).join('\n\n') };
}

export function listItems(items: readonly Markdown[]): Markdown {
  return { markdown: items.map(({ markdown }) => `- ${markdown}`).join('\n') };
}

/** Columns of prose, so that it reads in a terminal, too */
const width = 100;

/** Wraps lines of prose at spaces. Code and tables stay as they are. */
export function wrapProse({ markdown }: Markdown): Markdown {
  let fenced: string | undefined;
  const lines = markdown.split('\n').flatMap((line) => {
    const [, ticks] = /^(`{3,})/.exec(line) ?? [];
    if (fenced !== undefined) {
      if (line === fenced) fenced = undefined;
      return [line];
    }
    if (ticks !== undefined) fenced = ticks;
    return ticks !== undefined || line.startsWith('|') ? [line] : wrapLine(line);
  });
  return { markdown: lines.join('\n') };
}

function wrapLine(line: string): string[] {
  const [, space = '', item = ''] = /^( *)(- )?/.exec(line) ?? [];
  const indent = ' '.repeat(space.length + item.length);
  const lines: string[] = [];
  let current = '';
  for (const word of line.slice(space.length).split(' ')) {
    const longer = current === '' ? space + word : `${current} ${word}`;
    // What would begin an item, a heading or a quotation at the start of a line stays where it is.
    if (current !== '' && longer.length > width && !/^(?:[-+*]$|[>#=|]|\d+[.)]$)/.test(word)) {
      lines.push(current);
      current = indent + word;
    } else current = longer;
  }
  return [...lines, current];
}
