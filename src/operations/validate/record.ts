import type { Manifest } from '../../format/manifest.ts';
import type { Repository } from '../../repository/open.ts';
import { appendRecord } from '../../repository/records.ts';
import type { Context } from '../../runtime/context.ts';
import { StorageError } from '../../runtime/errors.ts';
import type { Findings } from './findings.ts';
import type { Holder } from './object-uses.ts';

/**
 * Records which backups passed and which are damaged. Credentials that may only read are a good choice for a
 * validation, so a failure to write the record is a warning.
 */
export async function recordValidation(
  repository: Repository,
  {
    manifests,
    mayOpen,
    share,
    findings,
  }: {
    readonly manifests: readonly Manifest[];
    readonly mayOpen: (holder: Holder) => boolean;
    readonly share: number;
    readonly findings: Findings;
  },
  context: Context,
): Promise<void> {
  const { broken, doubtful } = findings;
  const opened = new Map(manifests.map((manifest) => [manifest.id, mayOpen(manifest)]));
  // A backup with unread parts is recorded only if other parts are damaged: it is not proven.
  const ids = [...new Set([...opened.keys(), ...broken])].filter((id) => broken.has(id) || !doubtful.has(id));
  if (ids.length === 0) return;
  try {
    await appendRecord(repository, 'validations', context.now(), {
      share,
      backups: ids.sort().map((id) => ({
        id,
        outcome: broken.has(id) ? 'damaged' : 'passed',
        opened: opened.get(id) ?? false,
        ...(broken.has(id) ? { part: findings.whereOf(id) } : {}),
      })),
      damagedObjects: [...findings.damagedObjects].sort(),
    });
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    context.log.warn(
      `the result was not recorded, so no backup counts as verified by it: ${error.message}. Give credentials that may write below records/ to have it recorded.`,
    );
  }
}
