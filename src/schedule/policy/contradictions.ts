import { isHosted, isSwitchedOn, usualRunner } from '../plan/plan.ts';
import { type Credentials, hasKeys, roleOf, takesRoles } from './aws-roles.ts';
import type { JobKind, WrittenDatabase, WrittenPolicy } from './schema.ts';

export interface Contradiction {
  /** Keys of the policy, from the outermost to the one with the mistake */
  readonly path: readonly [string, ...string[]];
  readonly message: string;
}

/** Finds values that are valid by themselves and cannot work together. */
export function findContradictions(policy: WrittenPolicy): Contradiction[] {
  return [...findInDatabases(policy), ...findInRoles(policy), ...findInAlarms(policy)];
}

/** Mail needs to come from somebody; the secret with its server may also be one of an environment. */
function findInAlarms({ alarms = {}, ...policy }: WrittenPolicy): Contradiction[] {
  const needs = (key: 'mail-to' | 'smtp-url', other: 'mail-from' | 'mail-to'): Contradiction[] =>
    alarms[key] === undefined || alarms[other] !== undefined
      ? []
      : [{ path: ['alarms', key], message: `needs ${other} beside it. Write the address` }];
  const isWatched = Object.values(policy.databases).some(({ schedules, storage }) =>
    isSwitchedOn('watch', { ...policy.schedules, ...schedules }, storage),
  );
  const unheard: Contradiction[] =
    alarms['heartbeat-url'] === undefined || isWatched
      ? []
      : [
          {
            path: ['alarms', 'heartbeat-url'],
            message: 'is called by the watch, which is switched off. Switch it on, or leave this out',
          },
        ];
  return [...needs('mail-to', 'mail-from'), ...needs('smtp-url', 'mail-to'), ...unheard];
}

function findInDatabases(policy: WrittenPolicy): Contradiction[] {
  const losesDisk = isHosted(policy['runs-on'] ?? usualRunner);
  const seen = new Map<string, string>();
  return Object.entries(policy.databases).flatMap(([database, written]): Contradiction[] => {
    const { storage } = written;
    const place = `${written['s3-endpoint'] ?? ''} ${storage.replace(/\/+$/, '')}`;
    const other = seen.get(place);
    seen.set(place, database);
    const schedules = { ...policy.schedules, ...written.schedules };
    const isOn = (kind: JobKind) => isSwitchedOn(kind, schedules, storage);
    const at = (key: keyof WrittenDatabase) => ['databases', database, key] as const;
    // The secret may be in the environment, whose secrets cannot be read from here.
    const canOpen = written['encryption-identity'] !== undefined || written.environment !== undefined;
    const found: Contradiction[] = [];
    if (losesDisk && !/^(s3|artifact):/i.test(storage)) {
      const message =
        'is a folder, and the disk of a hosted runner is gone after each job. Write s3://bucket/prefix, artifact://name, or a runs-on of your own';
      found.push({ path: at('storage'), message });
    }
    if (other !== undefined) {
      const message = `is that of ${other}, and a repository holds one database. Give each a prefix of its own`;
      found.push({ path: at('storage'), message });
    }
    if (isOn('drill') && written['encryption-recipients'] !== undefined && !canOpen) {
      const message =
        'makes backups that drills cannot open. Name the secret in encryption-identity, or write false for the schedule of drill';
      found.push({ path: at('encryption-recipients'), message });
    }
    if (isOn('mirror') && written.copies === undefined && written.environment === undefined) {
      const message =
        'has a mirror, and nothing says where the copies are. Name the secret in copies, or leave mirror out of the schedules';
      found.push({ path: at('schedules'), message });
    }
    if (written.copies !== undefined && /^artifact:/i.test(storage)) {
      const message =
        'stands beside an artifact, of which there are no copies. Leave it out, or write s3://bucket/prefix';
      found.push({ path: at('copies'), message });
    }
    if (written['supabase-access-token'] !== undefined && written['project-ref'] === undefined) {
      const message =
        'names the token for a project, and there is none. Write project-ref beside it, the twenty letters in the address of its dashboard';
      found.push({ path: at('supabase-access-token'), message });
    }
    if (written['artifact-retention-days'] !== undefined && !/^artifact:/i.test(storage)) {
      const message = 'is about artifacts, and the storage is none. Leave it out, or write artifact://name';
      found.push({ path: at('artifact-retention-days'), message });
    }
    if (written['heartbeat-url'] !== undefined && !isOn('watch')) {
      const message = 'is called by the watch, which is switched off. Switch it on, or leave this out';
      found.push({ path: at('heartbeat-url'), message });
    }
    if (isOn('capture') && !isOn('full') && !isOn('incremental') && !isOn('archive')) {
      const message =
        'captures changes and takes no backups, so that each recovery would replay all that ever changed. Switch on full or incremental';
      found.push({ path: at('schedules'), message });
    }
    return found;
  });
}

function findInRoles(policy: WrittenPolicy): Contradiction[] {
  const databases = Object.entries(policy.databases);
  const { cleanup = {} } = policy;
  const isIdle = cleanup['aws-role'] !== undefined && !databases.some(([, written]) => takesRoles(written));
  const message = 'is a role of AWS, and no database has its storage there. Leave it out';
  return [
    ...databases.flatMap(([database, written]) => findInRole(written, ['databases', database], policy)),
    ...findInCredentials(cleanup, ['cleanup']),
    ...(isIdle ? [{ path: ['cleanup', 'aws-role'] as const, message }] : []),
  ];
}

function findInRole(
  written: WrittenDatabase,
  path: Contradiction['path'],
  policy: WrittenPolicy,
): Contradiction[] {
  const unfit = findInCredentials(written, path);
  const hasOwn = written['aws-role'] !== undefined;
  if (hasOwn && !takesRoles(written)) {
    const message =
      'is a role of AWS, and only a storage at Amazon takes one. Leave it out, or write s3://bucket/prefix without the s3-endpoint of another service';
    return [...unfit, { path: [...path, 'aws-role'], message }];
  }
  const cleansUp = isSwitchedOn('cleanup', { ...policy.schedules, ...written.schedules }, written.storage);
  const isTaken = hasOwn || (cleansUp && roleOf('cleanup', written, policy) !== undefined);
  // AWS has no region `auto`; other S3 services do.
  if (!isTaken || !['auto', undefined].includes(written['s3-region'])) return unfit;
  const message = 'must name the region of AWS in which the role is taken, such as eu-central-1';
  return [...unfit, { path: [...path, 's3-region'], message }];
}

function findInCredentials(credentials: Credentials, path: Contradiction['path']): Contradiction[] {
  const role = credentials['aws-role'];
  if (role !== undefined && hasKeys(credentials)) {
    const message =
      'stands beside the name of a key, and a job has either. Leave out aws-access-key-id and aws-secret-access-key, or the role';
    return [{ path: [...path, 'aws-role'], message }];
  }
  if (role === undefined && credentials['aws-role-seconds'] !== undefined) {
    const message = 'says for how long a role is taken, and there is none. Name it in aws-role';
    return [{ path: [...path, 'aws-role-seconds'], message }];
  }
  return [];
}
