import { type Finding, type FindingKind, findingKinds, type Severity, type Unit } from './finding.ts';
import { type Telling, tellFinding } from './telling.ts';

/** A finding for programs, as `schema/output.schema.json` describes it: what is missing is null. */
export interface FindingFields extends Telling {
  readonly kind: FindingKind;
  readonly severity: Severity;
  readonly limit: number | null;
  readonly measured: number | null;
  readonly unit: Unit;
  /** ISO 8601 */
  readonly since: string | null;
}

export function toFindingFields(finding: Finding): FindingFields {
  const { kind, severity, limit = null, measured = null, since } = finding;
  const { unit } = findingKinds[kind];
  return {
    kind,
    severity,
    limit,
    measured,
    unit,
    since: since?.toISOString() ?? null,
    ...tellFinding(finding),
  };
}
