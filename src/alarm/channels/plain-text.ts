import type { Fact, Notice, Passage } from '../notice.ts';

/** Renders a notice without its title, as text of several lines. */
export function renderPlain({ passages, facts, links, place }: Notice): string {
  return [
    ...passages.map(renderPassage),
    facts.map(renderFact).join('\n'),
    links.map(({ title, url }) => `${title}: ${url}`).join('\n'),
    place,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

export function renderFact({ title, value }: Fact): string {
  return `${title}: ${value}`;
}

function renderPassage({ title, text }: Passage): string {
  return `${title}\n${text}`;
}
