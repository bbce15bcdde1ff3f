import type { Outcome } from '../../interface/outcome.ts';
import { formatCounted } from '../../report/quantity.ts';
import type { Section, Tone } from '../../report/section.ts';
import { say, type Wording } from '../../runtime/wording.ts';
import { describeEstimate } from '../sections/estimate.ts';
import {
  type Area,
  type Check,
  type CheckState,
  type Complaint,
  checks as checkNames,
  type Diagnosis,
  findFirst,
  listComplaints,
  titleOf,
} from './result.ts';

/** Renders a diagnosis: what to do first, what to do besides, and the checks by area. */
export function describeDiagnosis(diagnosis: Diagnosis): Outcome {
  const { checks, estimate } = diagnosis;
  const [failures, warnings] = [listComplaints(diagnosis, 'failed'), listComplaints(diagnosis, 'warning')];
  const first = findFirst(diagnosis);
  return {
    exitCode: failures.length > 0 ? 3 : 0,
    // What is printed last is the cure, too.
    found:
      failures.length > 0 && first
        ? say`${first.reason}${/[.!?]$/.test(String(first.reason)) ? '' : '.'} ${first.remedy}`
        : undefined,
    outputs: {
      doctor: failures.length > 0 ? 'failed' : warnings.length > 0 ? 'warnings' : 'ok',
      'failed-checks': failures.length,
      warnings: warnings.length,
      cure: String(first?.remedy ?? ''),
      checks: JSON.stringify(checks.map(toJson)),
    },
    report: [
      {
        kind: 'heading',
        text: headOf(failures.length, warnings.length),
        tone: failures.length > 0 ? 'bad' : warnings.length > 0 ? 'warning' : 'good',
      },
      describeFirst(first, checks),
      ...[...failures, ...warnings].filter((complaint) => complaint !== first).map(describeComplaint),
      ...areas.flatMap((area) => describeArea(area, checks)),
      ...(estimate === undefined ? [] : describeEstimate(estimate)),
    ],
  };
}

const areas: readonly Area[] = ['platform', 'database', 'storage', 'keys', 'workflows', 'channels'];

const tones: Readonly<Record<CheckState, Tone | undefined>> = {
  ok: 'good',
  warning: 'warning',
  failed: 'bad',
  unchecked: undefined,
};

const words: Readonly<Record<CheckState, string>> = {
  ok: 'ok',
  warning: 'WARNING',
  failed: 'FAILED',
  unchecked: 'not checked',
};

function headOf(failures: number, warnings: number): string {
  const warned = formatCounted(warnings, 'warning');
  if (failures > 0) return `Doctor: ${failures} FAILED${warnings === 0 ? '' : `, ${warned}`}`;
  return warnings > 0 ? `Doctor: ${warned}` : 'Doctor: OK';
}

function describeArea(area: Area, checks: readonly Check[]): Section[] {
  const own = checks.filter(({ name }) => checkNames[name].area === area);
  if (own.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [{ title: area }, { title: 'is' }, { title: 'because' }],
      rows: own.map((check) => [titleOf(check), words[check.state], check.reason]),
      tones: own.map((check) => tones[check.state]),
    },
  ];
}

function describeComplaint(complaint: Complaint): Section {
  return { kind: 'paragraph', text: tellComplaint(complaint), tone: tones[complaint.state] };
}

function tellComplaint(complaint: Complaint): Wording {
  const { name, state, remedy } = complaint;
  return say`${words[state]} ${checkNames[name].area}, ${titleOf(complaint)}: ${remedy}`;
}

function describeFirst(first: Complaint | undefined, checks: readonly Check[]): Section {
  if (first !== undefined) return { kind: 'paragraph', text: say`Do this first: ${tellComplaint(first)}` };
  const unchecked = checks.filter(({ state }) => state === 'unchecked').length;
  const rest = unchecked === 0 ? '' : ` Not checked, for the reasons above: ${unchecked}.`;
  return {
    kind: 'paragraph',
    text: `Nothing stands in the way of a backup, as far as it was checked.${rest}`,
  };
}

function toJson(check: Check) {
  const { name, subject = null, state, reason } = check;
  return {
    area: checkNames[name].area,
    ...{ name, subject, state, reason: String(reason) },
    remedy: 'remedy' in check ? String(check.remedy) : null,
  };
}
