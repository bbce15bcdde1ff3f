import type { ShowInputs } from '../../interface/inputs/types.ts';
import { gatherRecords } from '../../repository/backups/catalog.ts';
import { chooseManifest } from '../../repository/backups/choose.ts';
import { DamageWarnings } from '../../repository/damage-warnings.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import { readRecords, type StoredRecord } from '../../repository/records.ts';
import type { Context } from '../../runtime/context.ts';
import { openStorage } from '../../storage/open.ts';
import type { BackupEvent, ShownBackup } from './result.ts';

/** Reads everything that is known of one backup, from its manifest and from records. Changes nothing. */
export async function lookUpBackup(
  inputs: Omit<ShowInputs, 'operation'>,
  context: Context,
): Promise<ShownBackup> {
  await using storage = await openStorage(inputs.storage, inputs, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const manifest = await chooseManifest(repository, inputs.backupId, context);
  const history = await readHistory(repository, context);
  const { pins, validations, drills } = history;
  const state = gatherRecords(pins, validations, drills).get(manifest.id) ?? {};
  return {
    manifest,
    pinned: state.pinned ?? manifest.pin,
    verifiedAt: state.verifiedAt ?? null,
    damagedAt: state.damagedAt ?? null,
    drilled: state.drilled ?? null,
    events: listEvents(manifest.id, history),
  };
}

/** The records of all backups, oldest first */
interface History {
  readonly pins: readonly StoredRecord<'pins'>[];
  readonly validations: readonly StoredRecord<'validations'>[];
  readonly drills: readonly StoredRecord<'drills'>[];
  readonly restores: readonly StoredRecord<'restores'>[];
}

async function readHistory(repository: Repository, { log, signal }: Context): Promise<History> {
  using damage = new DamageWarnings(log, '');
  const onDamaged = damage.warn;
  return {
    pins: await readRecords(repository, 'pins', onDamaged, { signal }),
    validations: await readRecords(repository, 'validations', onDamaged, { signal }),
    restores: await readRecords(repository, 'restores', onDamaged, { signal }),
    drills: await readRecords(repository, 'drills', onDamaged, { signal }),
  };
}

/** Lists the events of one backup, oldest first. Of events at the same time, pins come first. */
function listEvents(id: string, { pins, validations, drills, restores }: History): BackupEvent[] {
  const isOfIt = ({ content }: { content: { backup: string } }) => content.backup === id;
  const events: BackupEvent[] = [
    ...pins.filter(isOfIt).map(({ at, content: { pinned } }) => ({ kind: 'pin' as const, at, pinned })),
    ...validations.flatMap(({ at, content: { share, backups } }) =>
      backups
        .filter((backup) => backup.id === id)
        .map(({ outcome, opened }) => ({ kind: 'validation' as const, at, share, outcome, opened })),
    ),
    ...drills
      .filter(isOfIt)
      .map(({ at, content: { why, recovery } }) => ({ kind: 'drill' as const, at, why, recovery })),
    ...restores.filter(isOfIt).map(({ at, content: { target, actor, whole, outcome, why } }) => {
      return { kind: 'restore' as const, at, target, actor, whole, outcome, why };
    }),
  ];
  return events.sort((one, other) => one.at.getTime() - other.at.getTime());
}
