import { describe, expect, it } from 'vitest';
import { renderOutcome } from '../../../src/entry/terminal/json.ts';
import type { Outcome } from '../../../src/interface/outcome.ts';
import { describeStatus } from '../../../src/operations/status/report.ts';
import { nameForWorkflow } from '../../../src/runtime/wording.ts';
import { examples } from '../../interface/findings/examples.ts';
import { ago, hour, shelve } from '../../repository/backups/freshness-example.ts';
import { readPrinted } from '../../support/printed-json.ts';
import { weigh } from './example.ts';

const print = (outcome: Outcome) =>
  readPrinted(renderOutcome('status', outcome, { redact: (text) => text, name: nameForWorkflow }));

const measured = { kind: 'measured' as const, milliseconds: 90_000, backup: 'x', at: ago(3) };
const statuses = {
  healthy: weigh([shelve(2)]),
  late: { ...weigh([shelve(30), shelve(60)]), recovery: measured },
  empty: weigh([]),
  everything: { ...weigh([shelve(2)]), findings: Object.values(examples) },
};

describe('the JSON of a status', () => {
  it.each(Object.entries(statuses))('of one that is %s fits the schema', (_, status) => {
    expect(print(describeStatus(status)).outputs.findings).toHaveLength(status.findings.length);
  });

  it('that is otherwise does not fit', () => {
    const outcome = describeStatus(statuses.late);
    const change = (text: string, by: string) => {
      const findings = String(outcome.outputs.findings);
      expect(findings).toContain(text);
      return () =>
        print({ ...outcome, outputs: { ...outcome.outputs, findings: findings.replace(text, by) } });
    };
    expect(change('"unit":"milliseconds"', '"unit":"seconds"')).toThrow('/findings/0/unit');
    expect(change('"severity":"broken"', '"severity":"warning"')).toThrow('/findings/0/severity');
    expect(change('"kind":"max-age"', '"kind":"min-age"')).toThrow('/findings/0');
  });

  it('says of a finding what the report says, and null for what was not measured', () => {
    const { outputs, report } = describeStatus(weigh([shelve(30)], { limits: limits }));
    const [newest, verified] = JSON.parse(String(outputs.findings));
    expect(newest).toEqual({
      ...{ kind: 'max-age', severity: 'broken', limit: 26 * hour, measured: 30 * hour, unit: 'milliseconds' },
      since: ago(4).toISOString(),
      sentence: expect.stringMatching(/^the newest backup is 30 h/),
      remedy: expect.any(String),
    });
    expect(verified).toMatchObject({ kind: 'verified-within', measured: null, since: null });
    expect(JSON.stringify(report)).toContain(newest.sentence);
    expect(outputs).toMatchObject({ 'recovery-seconds': '', 'longest-gap-seconds': 108_000 });
    expect(describeStatus(statuses.late).outputs).toMatchObject({ 'recovery-seconds': 90 });
  });
});

const limits = { maxAge: 26 * hour, verifiedWithin: hour, drilledWithin: undefined };
