import type { Finding } from '../../../interface/findings/finding.ts';
import { isLimit } from '../../../interface/findings/finding.ts';
import { html, type Markup } from '../../../report/html.ts';
import type { ReportedDatabase } from '../facts.ts';

/** A state, told by word, by shape and by colour, of which each is enough */
export type State = 'good' | 'warning' | 'broken' | 'note';

export const stateWords: Readonly<Record<State, string>> = {
  good: 'OK',
  warning: 'LOOK AT IT',
  broken: 'BROKEN',
  note: 'NOTE',
};

/** Returns the state of a finding: a limit that is met is good, every other note a note, as is a limit not due yet. */
export function stateOf(finding: Finding): State {
  const isMet = finding.severity === 'note' && isLimit(finding) && finding.measured !== undefined;
  return isMet ? 'good' : finding.severity;
}

/** Returns the state of a database: that of its worst finding. */
export function stateOfDatabase(database: ReportedDatabase): State {
  if (database.kind === 'unreadable') return 'broken';
  const states = database.status.findings.map(stateOf);
  return states.includes('broken') ? 'broken' : states.includes('warning') ? 'warning' : 'good';
}

/** The word of the state of a database; nobody knows whether one that cannot be read is broken. */
export function wordOfDatabase(database: ReportedDatabase): string {
  return database.kind === 'unreadable' ? 'NOT READABLE' : stateWords[stateOfDatabase(database)];
}

const shapes: Readonly<Record<State, Markup>> = {
  good: html`<circle cx="8" cy="8" r="7.2"/><path d="M4.3 8.4l2.6 2.6 4.9-5.6"/>`,
  warning: html`<path d="M8 1.2L15.2 14.4H.8z"/><path d="M8 6v4M8 12.2v.4"/>`,
  broken: html`<path d="M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5z"/><path d="M5.2 5.2l5.6 5.6M10.8 5.2l-5.6 5.6"/>`,
  note: html`<circle cx="8" cy="8" r="7.2"/><path d="M8 7.4v4M8 4.6v.4"/>`,
};

/** The shape of a state; the word stands beside it. */
export function renderShape(state: State): Markup {
  return html`<svg class="state-${state}" aria-hidden="true" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">${shapes[state]}</svg>`;
}

/** A word with the shape of its state, on one line */
export function renderMark(state: State, word: string): Markup {
  return html`<span class="mark">${renderShape(state)}${word}</span>`;
}

export function renderVerdict(database: ReportedDatabase): Markup {
  const state = stateOfDatabase(database);
  return html`<span class="verdict state-${state}">${renderShape(state)}${wordOfDatabase(database)}</span>`;
}
