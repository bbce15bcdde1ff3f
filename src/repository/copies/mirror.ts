import type { Context } from '../../runtime/context.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import type { NamedStorage } from '../../storage/fallback.ts';
import type { Storage } from '../../storage/storage.ts';
import type { LockHolder } from '../locks/lock-file.ts';
import type { Repository } from '../open.ts';
import { writeAlone } from './alone.ts';
import { makeCopy, openCopy } from './initialize.ts';
import { measureLag } from './lag.ts';
import { type Carriage, carryProven, chooseShare } from './objects.ts';
import { type MirroredCopy, noValues, type Refusal, type ValueCounts } from './outcome.ts';
import { type MirrorPlan, planMirror } from './plan.ts';
import { valueKinds } from './sealed-value.ts';
import { carryValues } from './values.ts';

export interface MirrorOptions {
  /** As `planMirror` has it */
  readonly whole: boolean;
  /** Of the objects that were copied to a place without checksums, the share that is read back */
  readonly share: number;
  readonly dryRun: boolean;
  readonly holder: LockHolder;
}

/**
 * Brings a copy up to date, or makes it. Nothing is deleted there, and nothing replaced but objects that have not
 * the length that a manifest says. A copy is locked alone, so that neither another mirror nor a cleanup disturbs;
 * the source is only read.
 *
 * @throws ConfigurationError when the place holds something else
 * @throws StorageError when a place cannot be reached, or the copy does not keep what it is given
 */
export async function mirrorTo(
  source: Repository,
  { name, storage }: NamedStorage,
  options: MirrorOptions,
  context: Context,
): Promise<MirroredCopy> {
  const place = { name, location: storage.location };
  const planning = {
    whole: options.whole,
    signal: context.signal,
    random: () => context.random(),
    warn: (message: string) => context.log.warn(message),
  };
  const found = await openCopy(source, storage, name);
  if (options.dryRun) {
    const plan = await planMirror(source, found, planning);
    return {
      kind: 'mirrored',
      ...place,
      isNew: found === undefined,
      ...foresee(plan),
      lag: await measureLag(source, plan),
    };
  }
  return writeAlone(
    storage,
    { operation: 'mirror', holder: options.holder },
    source.storage,
    context,
    async (held, assertHeld) => {
      const copy = found ?? (await makeCopy(source, storage, name));
      const plan = await planMirror(source, copy, { ...planning, signal: held.signal });
      const done = await carryAll({ source, storage, plan, options, context: held }, assertHeld);
      const left = await measureLag(source, plan, new Set(done.keys));
      return { kind: 'mirrored', ...place, isNew: found === undefined, ...done.figures, lag: left };
    },
  );
}

interface Run {
  readonly source: Repository;
  readonly storage: Storage;
  readonly plan: MirrorPlan;
  readonly options: MirrorOptions;
  readonly context: Context;
}

type Figures = Pick<MirroredCopy, 'copied' | 'bytes' | 'refused' | 'checked'>;

function foresee({ missing, objects, bytes, refused }: MirrorPlan): Figures {
  const copied: Record<keyof ValueCounts, number> = { ...noValues };
  for (const kind of valueKinds) copied[kind] = missing[kind].length;
  copied.objects = objects.count('absent').objects;
  return { copied, bytes, refused, checked: { byStore: 0, byReading: 0 } };
}

async function carryAll(
  run: Run,
  assertHeld: () => Promise<void>,
): Promise<{ readonly figures: Figures; readonly keys: readonly string[] }> {
  const { source, storage, plan, options, context } = run;
  const { objects, missing } = plan;
  const refused: Refusal[] = [...plan.refused];
  const copied: Record<keyof ValueCounts, number> = { ...noValues };
  const keys: string[] = [];
  const carriage: Carriage = {
    ...{ source: source.storage, target: storage, objects, writing: 'create' },
    ...{ signal: context.signal, log: context.log, clock: new PhaseClock() },
  };
  const isChosen = chooseShare(options.share, () => context.random());
  const absent = { names: objects.names('absent'), total: objects.count('absent').objects };
  const carried = await carryProven(carriage, absent, isChosen);
  refused.push(...carried.refused);
  copied.objects = carried.count;
  let { bytes } = carried;
  const known = new Set(plan.refused.map(({ key }) => key));
  for (const kind of valueKinds) {
    const values = await carryValues(
      { source, target: storage, objects, writing: 'create', signal: context.signal, prove: assertHeld },
      kind,
      missing[kind].filter((key) => !known.has(key)),
    );
    copied[kind] = values.keys.length;
    bytes += values.bytes;
    refused.push(...values.refused);
    keys.push(...values.keys);
  }
  return { figures: { copied, bytes, refused, checked: carried.checked }, keys };
}
