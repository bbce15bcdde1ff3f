import type { Outcome } from '../../interface/outcome.ts';
import { readValue } from '../../management/facts.ts';
import type { Section } from '../../report/section.ts';
import { describeFinding, renderFindings } from '../sections/findings.ts';
import { describeLayers } from './layers.ts';
import { findEnds, isSound, type Managed } from './result.ts';

/** Both layers for scripts. What was not measured is empty, and never 0. */
export function tellFigures(managed: Managed): Outcome['outputs'] {
  const { facts, platform, own, choices, findings } = managed;
  const ends = findEnds(platform);
  const { pitrDays } = facts;
  return {
    status: nameVerdict(managed),
    'project-ref': facts.ref,
    'project-status': readValue(facts.project)?.status ?? '',
    plan: readValue(facts.plan) ?? '',
    'managed-layer': platform.kind === 'unread' ? '' : platform.kind,
    'managed-from': ends?.oldest.toISOString() ?? '',
    'managed-to': ends?.newest.toISOString() ?? '',
    'managed-backups': platform.kind === 'daily' ? platform.count : platform.kind === 'none' ? 0 : '',
    'retention-days': readValue(facts.entitlements)?.retentionDays ?? '',
    'pitr-days': pitrDays.kind === 'read' ? (pitrDays.value ?? 0) : '',
    'managed-schedule': readValue(facts.schedule) ?? '',
    'recoverable-to': own?.newest?.toISOString() ?? '',
    better:
      choices === undefined
        ? ''
        : JSON.stringify(Object.fromEntries(choices.map(({ loss, better }) => [loss, better]))),
    findings: renderFindings(findings),
  };
}

/** Both layers for people: what is wrong, and then the layers side by side */
export function describeBoth(managed: Managed): Section[] {
  const title = `Supabase's own backups of ${managed.facts.ref}: ${nameVerdict(managed).toUpperCase()}`;
  return [
    { kind: 'heading', text: title, tone: isSound(managed) ? 'good' : 'bad' },
    ...managed.findings.flatMap(describeFinding),
    ...describeLayers(managed),
  ];
}

function nameVerdict(managed: Managed): 'healthy' | 'broken' {
  return isSound(managed) ? 'healthy' : 'broken';
}
