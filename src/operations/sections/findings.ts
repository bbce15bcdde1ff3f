import { toFindingFields } from '../../interface/findings/fields.ts';
import { type Finding, isLimit, type Severity } from '../../interface/findings/finding.ts';
import { joinTelling, tellFinding } from '../../interface/findings/telling.ts';
import type { Section, Tone } from '../../report/section.ts';

/** Joins what is broken, for an alarm; undefined where nothing is. */
export function tellBroken(findings: readonly Finding[]): string | undefined {
  const broken = findings.filter(({ severity }) => severity === 'broken');
  return broken.length === 0
    ? undefined
    : broken.map((finding) => joinTelling(tellFinding(finding))).join(' ');
}

/** Renders findings for scripts, as schema/output.schema.json describes them. */
export function renderFindings(findings: readonly Finding[]): string {
  return JSON.stringify(findings.map(toFindingFields));
}

const signs: Readonly<Record<Severity, string>> = { broken: 'BROKEN', warning: 'WARNING', note: 'NOTE' };

const tones: Readonly<Record<Severity, Tone | undefined>> = {
  broken: 'bad',
  warning: 'warning',
  note: undefined,
};

/** Says what a table does not: a limit that is met is in the table of limits alone. */
export function describeFinding(finding: Finding): Section[] {
  const { severity } = finding;
  if (isLimit(finding) && severity === 'note') return [];
  const text = `${signs[severity]}: ${joinTelling(tellFinding(finding))}`;
  return [{ kind: 'paragraph', text, tone: tones[severity] }];
}
