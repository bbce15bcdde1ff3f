import { access, constants, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Parity, parityGroups } from '../../parity/compare.ts';
import type { ParityLine } from '../../parity/line.ts';
import { ageAt, countByStatus, describeParity } from '../../parity/report.ts';
import { renderMarkdown } from '../../report/markdown.ts';
import { redactReport } from '../../report/redact.ts';
import type { Section } from '../../report/section.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, messageOf } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { RestoreScope } from '../scope.ts';
import type { CheckResult } from './checks.ts';
import { describeChecks } from './user-checks.ts';

/**
 * Creates the folder for reports where it does not exist.
 *
 * @throws ConfigurationError when nothing can be written there, so that the user knows before the restore
 */
export async function makeReportFolder(folder: string | undefined): Promise<void> {
  if (folder === undefined) return;
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (cause) {
    throw new ConfigurationError(
      say`${nameInput('report-folder')}: ${folder} is not writable (${messageOf(cause)})`,
      'Use a folder that you can write to, or one that can be created.',
      cause,
    );
  }
}

/**
 * Writes a comparison as `parity-<backup id>.md` and `.json`, and as `parity.md` and `.json`, so that the
 * latest has a name that is known beforehand. The restore has succeeded by then, so a failure to write is
 * only a warning.
 */
export async function writeParity(
  folder: string | undefined,
  scope: Described,
  parity: Parity,
  context: Pick<Context, 'log' | 'redact' | 'now'>,
  checks: readonly CheckResult[] = [],
): Promise<void> {
  if (folder === undefined) return;
  const files = {
    md: renderMarkdown(
      redactReport([...describeComparison(scope, parity), ...describeChecks(checks)], context.redact),
    ),
    json: `${JSON.stringify(createDocument(scope, parity, checks, context.now()), (_, value) => (typeof value === 'string' ? context.redact(value) : value), 2)}\n`,
  };
  try {
    for (const [extension, content] of Object.entries(files)) {
      for (const name of [`parity-${scope.manifest.id}`, 'parity']) {
        await writeFile(path.join(folder, `${name}.${extension}`), content);
      }
    }
  } catch (error) {
    context.log.warn(
      say`${nameInput('report-folder')}: the comparison could not be written: ${messageOf(error)}`,
    );
  }
}

type Described = Pick<RestoreScope, 'manifest' | 'target' | 'kind' | 'replayed'>;

function describeComparison({ manifest, target, kind, replayed }: Described, parity: Parity): Section[] {
  const brought = replayed === undefined ? '' : `, brought to ${replayed.until}`;
  const until = replayed?.until ?? manifest.source.snapshotAt;
  const [verdict, ...rest] = describeParity(parity, until, Number.POSITIVE_INFINITY);
  const text = `Backup ${manifest.id} of ${manifest.source.snapshotAt}, restored into ${target} (${kind})${brought}.`;
  return [...(verdict === undefined ? [] : [verdict]), { kind: 'paragraph', text }, ...rest];
}

/** Creates the document that docs/parity.md describes. A change of what a field means is a new format. */
export function createDocument(
  { manifest, target, kind, replayed }: Described,
  parity: Parity,
  checks: readonly CheckResult[],
  now: Date,
) {
  const { snapshotAt } = manifest.source;
  const describeLine = ({ because: _, ...line }: ParityLine, isTime: boolean) => {
    const age = isTime ? ageAt(line.expected, snapshotAt) : undefined;
    return { ...line, ...(age === undefined ? {} : { ageSeconds: age / 1000 }) };
  };
  return {
    format: 1,
    backup: manifest.id,
    snapshotAt,
    recoveredTo: replayed?.until ?? null,
    target,
    targetKind: kind,
    comparedAt: now.toISOString(),
    verdict: parity.equal ? 'equal' : 'different',
    reach: parity.reach,
    checks: checks.map(({ sql, passed, answer = null }) => ({ sql, passed, answer })),
    groups: Object.fromEntries(
      parityGroups.map((group) => {
        const lines = parity.groups[group];
        const { 'not carried': notCarried, ...counts } = countByStatus(lines);
        return [
          group,
          { ...counts, notCarried, lines: lines.map((line) => describeLine(line, group === 'freshness')) },
        ];
      }),
    ),
  };
}
