import { printable, printableJson } from './printable.ts';

/*
 * HTML out of texts that may be anybody's: names of tables, labels, messages of servers. A text cannot become
 * markup, because only what `html` made is taken over as it is.
 */

/** A piece of HTML, made by `html` and nothing else. */
export class Markup {
  readonly text: string;

  /** @param text HTML that is right as it is */
  constructor(text: string) {
    this.text = text;
  }
}

export type Child = Markup | string | number | undefined | readonly Child[];

/** Makes a piece of HTML: texts in it are escaped, and what is invisible in them is shown. */
export function html(parts: TemplateStringsArray, ...children: readonly Child[]): Markup {
  return new Markup(parts.map((part, index) => `${part}${render(children[index])}`).join(''));
}

function render(child: Child): string {
  if (child === undefined) return '';
  if (child instanceof Markup) return child.text;
  if (typeof child === 'object') return child.map(render).join('');
  if (typeof child === 'number') return String(child);
  // Most texts are of our own, and the search for what is invisible is slow.
  return escapeHtml(/^[ -~]*$/.test(child) ? child : printable(child));
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** Renders a name of somebody's choice, whose direction of writing does not turn what stands around it. */
export function name(text: string): Markup {
  return html`<bdi>${text}</bdi>`;
}

/** Renders sentences in which backticks stand around what is typed. */
export function prose(text: string): Markup {
  return html`${text.split('`').map((part, index) => (index % 2 === 0 ? part : html`<code>${part}</code>`))}`;
}

/** Renders a time for people and programs, to the minute and in UTC. */
export function time(at: Date): Markup {
  const iso = at.toISOString();
  return html`<time datetime="${iso.slice(0, 19)}Z">${iso.slice(0, 16).replace('T', ' ')}</time>`;
}

/**
 * Writes a value as JSON for a `<script type="application/json">`, which no text in it can end. What JSON
 * allows and scripts did not, U+2028 and U+2029, is escaped too.
 */
export function embedJson(value: unknown): Markup {
  return new Markup(printableJson(value).replaceAll('<', '\\u003c'));
}
