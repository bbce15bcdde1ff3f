import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Estimate } from '../../../src/interface/estimate.ts';
import { parseInputs } from '../../../src/interface/inputs/parse.ts';
import type { InputName } from '../../../src/interface/inputs/schema.ts';
import type { DoctorInputs } from '../../../src/interface/inputs/types.ts';
import type { Check, CheckName, Diagnosis } from '../../../src/operations/doctor/result.ts';
import { summarizeEstimate } from '../../../src/operations/sections/estimate.ts';

export type Given = Partial<Record<InputName, string>>;

/** Reads inputs as the entries do. */
export function toInputs(given: Given): DoctorInputs {
  const all: Given = { operation: 'doctor', ...given };
  return parseInputs((name) => all[name], {}) as DoctorInputs;
}

/** A folder with client programs that say they are of this version. */
export function makeClient(folder: string, version: string): string {
  mkdirSync(folder, { recursive: true });
  for (const name of ['pg_dump', 'pg_restore'])
    writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} (PostgreSQL) ${version}"\n`, { mode: 0o755 });
  return folder;
}

export function find({ checks }: Diagnosis, name: CheckName): Plain {
  const found = checks.find((check) => check.name === name);
  if (found === undefined) throw new Error(`${name} was not checked at all`);
  return toPlain(found);
}

/** A check in the words that a workflow's user would read */
export type Plain = Check & { readonly reason: string };

export function toPlain(check: Check): Plain {
  const reason = String(check.reason);
  return 'remedy' in check ? { ...check, reason, remedy: String(check.remedy) } : { ...check, reason };
}

const megabyte = 1e6;

export const exampleEstimate: Estimate = {
  database: 'postgres@127.0.0.1:5432/shop',
  size: {
    ...{ databaseBytes: 3140 * megabyte, tables: 42, tableBytes: 2210 * megabyte, largeObjectBytes: 0 },
    ...{ rows: 2_400_000, uncounted: 0, wireBytes: 2160 * megabyte, storedBytes: 384 * megabyte },
    sample: { tables: 12, bytes: 11.2 * megabyte, milliseconds: 410 },
  },
  time: { least: 19_770, most: 79_070, jobs: 4 },
  egress: { ofFull: 0.1944, ofMonth: 5.832 },
  storage: {
    ...{ backups: 24, leastBytes: 384 * megabyte, mostBytes: 9216 * megabyte },
    ...{ leastCost: 0.0088, mostCost: 0.212 },
  },
  basis: {
    retention: {
      ...{ last: 0, hourly: 0, daily: 7, weekly: 5, monthly: 12, yearly: 0, within: 0, verified: 3 },
    },
    ...{ source: 'inputs', fullBackups: 30, allBackups: 30, pricePerGbMonth: 0.023 },
  },
};

/**
 * What differs from machine to machine is told as on one: ports, times, versions, paths. The numbers of the
 * estimate are those of an example; test/operations/estimate has real ones.
 */
export function settle(diagnosis: Diagnosis, folder: string): Diagnosis {
  const steady = (text: string) =>
    text
      .replaceAll(folder, '/srv')
      .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:5432')
      .replace(/after [\d.]+ m?s\b/g, 'after 12 ms')
      .replace(/PostgreSQL \d+\.\d+, database/g, 'PostgreSQL 17.6, database')
      .replace(/\btest_\d+\b/g, 'shop')
      .replace(/, newer than the server's major \d+/g, '')
      .replace(/; the server, \d+\.\d+, lacks the releases up to that one/g, '')
      .replace(/older than the server's major \d+/g, "older than the server's major 17")
      .replace(/PostgreSQL \d+ client programs/g, 'PostgreSQL 17 client programs')
      .replace(/\bpg_dump \d+\.\d+/g, 'pg_dump 17.6')
      .replace(/age1[0-9a-z]+/g, 'age1…');
  const checks = diagnosis.checks.map((check): Check => {
    const isSize = check.name === 'size' && diagnosis.estimate !== undefined;
    const reason = isSize ? summarizeEstimate(exampleEstimate) : steady(String(check.reason));
    return 'remedy' in check
      ? { ...check, reason, remedy: steady(String(check.remedy)) }
      : { ...check, reason };
  });
  return { checks, estimate: diagnosis.estimate && exampleEstimate };
}
