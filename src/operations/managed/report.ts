import type { Outcome } from '../../interface/outcome.ts';
import { readValue } from '../../management/facts.ts';
import { describeFinding, renderFindings, tellBroken } from '../sections/findings.ts';
import { describeLayers } from './layers.ts';
import { findEnds, isSound, type Managed } from './result.ts';

export function describeManaged(managed: Managed): Outcome {
  const { facts, findings } = managed;
  const verdict = isSound(managed) ? 'healthy' : 'broken';
  return {
    exitCode: isSound(managed) ? 0 : 3,
    found: tellBroken(findings),
    outputs: { status: verdict, ...tellManaged(managed), findings: renderFindings(findings) },
    report: [
      { kind: 'heading', text: `Supabase's own backups of ${facts.ref}: ${verdict.toUpperCase()}` },
      ...findings.flatMap(describeFinding),
      ...describeLayers(managed),
    ],
  };
}

/** Renders both layers for scripts. What was not measured is empty, and never 0. */
function tellManaged({ facts, platform, own, choices }: Managed): Outcome['outputs'] {
  const ends = findEnds(platform);
  const { pitrDays } = facts;
  return {
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
  };
}
