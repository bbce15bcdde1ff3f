import * as v from 'valibot';
import { count, iso, maybeTime, time } from '../../../interface/fields.ts';
import { readStatus } from '../../../operations/status/read.ts';
import { isHealthy, type Status } from '../../../operations/status/result.ts';
import { fileCertificates } from '../../../postgres/session/root-certificates.ts';
import { formatAge, formatDuration } from '../../../report/quantity.ts';
import type { RecordedFailure } from '../../../repository/backups/findings.ts';
import { sumStored } from '../../../repository/stored-bytes.ts';
import { defineTool } from '../tool.ts';
import {
  findingSchema,
  listFindings,
  maybeCount,
  outline,
  recoverySchema,
  toOutline,
  toRecovery,
} from './fields.ts';
import { parseFor } from './parsed-inputs.ts';

const mostFailures = 10;

export const backupStatus = defineTool({
  name: 'backup_status',
  title: 'Could we recover?',
  description:
    'Tells whether and how far back the database can be recovered, how long it takes, and what is wrong, as a list of findings with a remedy each. ' +
    'Call it before anything that cannot be undone. Changes nothing.',
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  inputs: ['max-age', 'verified-within', 'drilled-within', 'price-per-gb-month'],
  own: {},
  output: {
    location: v.string(),
    at: time,
    status: v.picklist(['healthy', 'broken']),
    findings: v.pipe(
      v.array(findingSchema),
      v.description('Everything that is wrong or worth knowing, broken ones first'),
    ),
    newest: v.pipe(
      v.nullable(v.strictObject(outline)),
      v.description('The newest backup that a restore would use'),
    ),
    lossMilliseconds: v.pipe(
      maybeCount,
      v.description(
        'How much would be lost now: the time since the newest point to go back to; null: everything',
      ),
    ),
    longestGapMilliseconds: v.pipe(
      maybeCount,
      v.description('The most that would have been lost in the last 7 days'),
    ),
    recoverableFrom: v.pipe(
      maybeTime,
      v.description('Any time since then can be recovered; null: only those of backups'),
    ),
    recoverableTo: maybeTime,
    recovery: recoverySchema,
    lastVerified: v.nullable(v.strictObject({ id: v.string(), at: time })),
    lastDrillPassed: v.nullable(v.strictObject({ id: v.string(), at: time })),
    backups: v.pipe(count, v.description('That a restore would use')),
    damaged: count,
    storedBytes: count,
    failures: v.pipe(
      v.array(v.strictObject({ at: time, what: v.string(), message: v.string() })),
      v.description('What failed lately, newest first'),
    ),
    summary: v.string(),
  },
  async answer(call) {
    const inputs = fileCertificates(parseFor('status', call), call.context);
    return { value: toFields(await readStatus(inputs, call.context)) };
  },
});

function toFields(status: Status) {
  const { usable, verified, drilled, recoverable, counts } = status;
  const window = recoverable.windows.at(-1);
  return {
    ...{ location: status.location, at: iso(status.at) },
    status: isHealthy(status) ? ('healthy' as const) : ('broken' as const),
    findings: listFindings(status.findings),
    newest: usable[0] === undefined ? null : toOutline(usable[0]),
    lossMilliseconds: status.loss === undefined ? null : Math.round(status.loss),
    longestGapMilliseconds: status.gap === undefined ? null : Math.round(status.gap.length),
    recoverableFrom: recoverable.captured ? (window?.from ?? null) : null,
    recoverableTo: window?.to ?? null,
    recovery: toRecovery(status.recovery),
    lastVerified: verified === undefined ? null : { id: verified.id, at: iso(verified.at) },
    lastDrillPassed: drilled === undefined ? null : { id: drilled.id, at: iso(drilled.at) },
    ...{ backups: usable.length, damaged: counts.damaged, storedBytes: sumStored(status.stored) },
    failures: status.failures.slice(0, mostFailures).map(toFailureFields),
    summary: summarize(status),
  };
}

function toFailureFields(failure: RecordedFailure) {
  const at = iso(failure.at);
  switch (failure.kind) {
    case 'damage':
      return { at, what: 'validate', message: `damage in ${failure.damaged.join(', ')}` };
    case 'drill':
      return {
        at,
        what: `drill of ${failure.backup}`,
        message: failure.why ?? 'the reason was not recorded',
      };
    case 'slow-drill': {
      const message = `it took ${formatDuration(failure.took)}, and its target is ${formatDuration(failure.target)}`;
      return { at, what: `drill of ${failure.backup}, too slow`, message };
    }
    case 'restore': {
      const what = `restore of ${failure.backup} into ${failure.target}`;
      return { at, what, message: failure.why ?? 'it differs from the backup' };
    }
    case 'run':
      return { at, what: failure.operation, message: failure.message };
  }
}

/** The first thing to say to a person */
function summarize(status: Status): string {
  const [newest] = status.usable;
  const broken = status.findings.filter(({ severity }) => severity === 'broken').length;
  const verdict = isHealthy(status) ? 'No limit is broken' : `Broken: ${broken}`;
  if (newest === undefined) return `${verdict}. There is no backup: nothing can be recovered.`;
  const loss = status.loss === undefined ? 'everything' : `the last ${formatAge(status.loss)}`;
  return `${verdict}. The newest backup is ${newest.id}; lost would be ${loss}; recovery time: ${toRecovery(status.recovery).sentence}.`;
}
