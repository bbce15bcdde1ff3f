import type { Context } from '../../runtime/context.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import type { FallbackStorage } from '../../storage/fallback.ts';
import type { Storage } from '../../storage/storage.ts';
import type { LockHolder } from '../locks/lock-file.ts';
import { objectKey } from '../objects/store.ts';
import { configKey, openRepository, type Repository } from '../open.ts';
import { writeAlone } from './alone.ts';
import { ObjectTable } from './object-table.ts';
import { type Carriage, carryProven, chooseShare, proveObjects } from './objects.ts';
import { noValues, type Refusal, type ValueCounts } from './outcome.ts';
import { isConfigWrong } from './own-config.ts';
import { objectName, type ValueKind, valueKinds } from './sealed-value.ts';
import { findUnsound, type Unsound } from './unsound.ts';
import { carryValues } from './values.ts';

export interface HealOptions {
  readonly repositoryKey: string | undefined;
  /** Of the objects that are there, and have no checksum of the store, the share that is read */
  readonly share: number;
  readonly dryRun: boolean;
  readonly holder: LockHolder;
}

/** What was healed; in a dry run, what could be. */
export interface Healing {
  /** Whether `repository.json` itself was missing or damaged */
  readonly isConfigHealed: boolean;
  readonly healed: ValueCounts;
  /** bytes as stored, of all that was healed */
  readonly bytes: number;
  /** What is missing or damaged, and no copy has whole */
  readonly lost: readonly Refusal[];
  /** Objects that were there, and were proven by the store or by reading */
  readonly checked: { readonly byStore: number; readonly byReading: number };
  /** All objects that backups and captured changes need */
  readonly objects: number;
}

/**
 * Heals a storage from its copies. Every manifest and header is read; of the objects that they need all are
 * looked for, and a share is proven. What is missing or wrong is stored again from a copy, hashed on the way.
 * What a cleanup has removed stays removed.
 *
 * @param copies asked in turn for each value
 * @throws ConfigurationError when the storage holds another repository than the copies
 * @throws IntegrityError when the copies' own `repository.json` is wrong
 */
export async function healFrom(
  storage: Storage,
  copies: FallbackStorage,
  options: HealOptions,
  context: Context,
): Promise<Healing> {
  const source = await openRepository(copies, options.repositoryKey);
  const isConfigHealed = await isConfigWrong(source, storage, options.repositoryKey, context.signal);
  const target: Repository = { ...source, storage };
  if (options.dryRun) return heal({ source, target, copies, isConfigHealed, options, context }, undefined);
  return writeAlone(
    storage,
    { operation: 'repair', holder: options.holder },
    { location: copies.location, list: (prefix) => copies.listEverywhere(prefix) },
    context,
    async (held, assertHeld) => {
      // Without it nothing else there can be told to be whole.
      if (isConfigHealed) await storage.put(configKey, source.config);
      return await heal({ source, target, copies, isConfigHealed, options, context: held }, assertHeld);
    },
  );
}

interface Run {
  readonly source: Repository;
  readonly target: Repository;
  readonly copies: FallbackStorage;
  readonly isConfigHealed: boolean;
  readonly options: HealOptions;
  readonly context: Context;
}

/** @param assertHeld undefined in a dry run */
async function heal(run: Run, assertHeld: (() => Promise<void>) | undefined): Promise<Healing> {
  const { source, target, copies, options, context } = run;
  const { signal, log } = context;
  const objects = new ObjectTable(context.random());
  const choose = () => chooseShare(options.share, () => context.random());
  const unsound = await findUnsound(source, target, copies, objects, choose(), context);
  for await (const { key, size } of target.storage.list('objects/')) {
    signal.throwIfAborted();
    const name = objectName(key);
    if (name !== undefined && objects.isWanted(name)) objects.list(name, size);
  }
  const there = { storage: target.storage, objects, signal, log };
  const present = objects.count('present').objects;
  const proof = await proveObjects(there, { names: objects.names('present'), total: present }, choose());
  for (const name of proof.wrongNames) objects.unlist(name);
  const absent = objects.count('absent').objects;
  const checked = { byStore: proof.byStore, byReading: proof.byReading };
  // What is wrong was present, and is absent now.
  const all = present + absent - proof.wrongNames.length;
  const base = { isConfigHealed: run.isConfigHealed, checked, objects: all };
  if (assertHeld === undefined) return { ...base, ...(await foresee(copies, objects, unsound)) };
  return { ...base, ...(await carryAll(run, objects, absent, unsound, assertHeld)) };
}

type Healed = Pick<Healing, 'healed' | 'bytes' | 'lost'>;

/** Looks which copy has what is missing, in the right length, without reading it. */
async function foresee(copies: FallbackStorage, objects: ObjectTable, unsound: Unsound): Promise<Healed> {
  const healed: Record<keyof ValueCounts, number> = { ...noValues };
  const lost: Refusal[] = [...unsound.lost];
  let bytes = 0;
  for (const name of objects.names('absent')) {
    const found = await copies.stat(objectKey(name));
    const isWhole = objects.describe(name).some(({ stored }) => stored === found?.size);
    if (isWhole) {
      healed.objects += 1;
      bytes += found?.size ?? 0;
    } else lost.push({ key: objectKey(name), why: 'no copy has it in its length' });
  }
  for (const kind of valueKinds) healed[kind] = unsound.keys[kind].length;
  return { healed, bytes, lost };
}

async function carryAll(
  { source, target, copies, context }: Run,
  objects: ObjectTable,
  absent: number,
  unsound: Unsound,
  assertHeld: () => Promise<void>,
): Promise<Healed> {
  const healed: Record<keyof ValueCounts, number> = { ...noValues };
  const lost: Refusal[] = [...unsound.lost];
  const carriage: Carriage = {
    ...{ source: copies, target: target.storage, objects, writing: 'replace' },
    ...{ signal: context.signal, log: context.log, clock: new PhaseClock() },
  };
  const names = { names: objects.names('absent'), total: absent };
  const carried = await carryProven(carriage, names, () => true);
  healed.objects = carried.count;
  lost.push(...carried.refused);
  let { bytes } = carried;
  const to = { source, target: target.storage, objects, writing: 'replace' as const };
  for (const kind of valueKinds satisfies readonly ValueKind[]) {
    const values = await carryValues(
      { ...to, signal: context.signal, prove: assertHeld },
      kind,
      unsound.keys[kind],
    );
    healed[kind] = values.keys.length;
    bytes += values.bytes;
    lost.push(...values.refused);
  }
  return { healed, bytes, lost };
}
