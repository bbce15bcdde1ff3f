import { hostedRunners } from '../plan/plan.ts';
import { hasKeys, hasRole, isAmazons } from './aws-roles.ts';
import {
  all,
  type Fact,
  fits,
  fitsIfThere,
  has,
  isAskedFor,
  isNotSwitchedOff,
  isSwitchedOff,
  not,
  ofPart,
  ofPolicy,
  type PartFact,
  under,
} from './facts.ts';
import type { WrittenPolicy } from './schema.ts';

/*
 * Values that are valid by themselves and cannot work together. The rules are data, because an editor has to know
 * them as well: schema/policy.schema.json is made of them. It knows all but `findSharedStorages`.
 */

export interface Contradiction {
  /** Keys of the policy, from the outermost to the one with the mistake */
  readonly path: readonly [string, ...string[]];
  readonly message: string;
}

/** Where all facts hold of the part, the key is wrong, or missing. */
export interface Rule {
  /** `databases`: each of them */
  readonly of: 'databases' | 'alarms' | 'cleanup';
  readonly when: readonly Fact[];
  readonly at: string;
  readonly message: string;
}

/** Where all facts hold of the part, and the fact of every database, the key is wrong. */
export interface RuleOfAll extends Rule {
  readonly of: 'alarms' | 'cleanup';
  readonly everyDatabase: Fact;
}

const isArtifact = fits('storage', /^artifact:/i);
const isRemote = fits('storage', /^(?:s3|artifact):/i);
/** A whole bucket, or the root folder */
const isWhole = fits('storage', /^(?:s3:\/\/[^/]+\/*|file:\/{3,}|\/+)$/i);
const runsHosted = fitsIfThere('runs-on', hostedRunners);
/** AWS has no region `auto`; other S3 services do. */
const lacksRegion = fitsIfThere('s3-region', /^auto$/);
const cleansUpByRole = under('cleanup', all(hasRole, not(hasKeys)));

function forDatabases(at: string, when: readonly (Fact | PartFact)[], message: string): Rule {
  return { of: 'databases', at, when: when.map((fact) => ('ways' in fact ? fact : ofPart(fact))), message };
}

function needs(of: Rule['of'], key: string, other: string, message: string): Rule {
  return { of, at: key, when: [ofPart(has(key)), ofPart(not(has(other)))], message };
}

function rulesOfRoles(of: 'databases' | 'cleanup'): Rule[] {
  return [
    {
      ...{ of, at: 'aws-role', when: [ofPart(hasRole), ofPart(hasKeys)] },
      message:
        'stands beside the name of a key, and a job has either. Leave out aws-access-key-id and aws-secret-access-key, or the role',
    },
    needs(
      of,
      'aws-role-seconds',
      'aws-role',
      'says for how long a role is taken, and there is none. Name it in aws-role',
    ),
  ];
}

const regionMessage =
  'must name the region of AWS in which the role is taken. Write it, such as eu-central-1';

export const rules: readonly Rule[] = [
  forDatabases(
    'storage',
    [ofPolicy(runsHosted), not(isRemote)],
    'is a folder, and the disk of a hosted runner is gone after each job. Write s3://bucket/prefix, artifact://name, or a runs-on of your own',
  ),
  forDatabases(
    'storage',
    [isWhole, isNotSwitchedOff('cleanup')],
    'is a whole bucket or the root folder, and cleanup deletes only below a place of its own. Write a prefix behind it, as in s3://bucket/prefix, or cleanup: false in the schedules',
  ),
  forDatabases(
    'storage',
    [isArtifact, isAskedFor('capture')],
    'is an artifact, which every capture would upload again as a whole. Write capture: false in the schedules of this database, or s3://bucket/prefix',
  ),
  forDatabases(
    'encryption-recipients',
    [
      has('encryption-recipients'),
      not(has('encryption-identity')),
      // The secret may be in the environment, whose secrets cannot be read from here.
      not(has('environment')),
      isNotSwitchedOff('drill'),
    ],
    'encrypts backups that drills cannot open. Name the secret in encryption-identity, or write drill: false in the schedules',
  ),
  forDatabases(
    'schedules',
    [isAskedFor('mirror'), not(has('copies')), not(has('environment'))],
    'has a mirror, and nothing says where the copies are. Name the secret in copies, or leave mirror out of the schedules',
  ),
  forDatabases(
    'copies',
    [has('copies'), isArtifact],
    'stands beside an artifact, of which there are no copies. Leave it out, or write s3://bucket/prefix',
  ),
  needs(
    'databases',
    'supabase-access-token',
    'project-ref',
    'names the token for a project, and there is none. Write project-ref beside it, the twenty letters in the address of its dashboard',
  ),
  forDatabases(
    'artifact-retention-days',
    [has('artifact-retention-days'), not(isArtifact)],
    'is about artifacts, and the storage is none. Leave it out, or write artifact://name',
  ),
  forDatabases(
    'heartbeat-url',
    [has('heartbeat-url'), isSwitchedOff('watch')],
    'is called by the watch, which is switched off. Switch it on, or leave this out',
  ),
  forDatabases(
    'schedules',
    [
      isAskedFor('capture'),
      ...(['full', 'incremental', 'archive'] as const).map((kind) => isSwitchedOff(kind)),
    ],
    'captures changes and takes no backups, so that each recovery would replay all that ever changed. Switch on full or incremental',
  ),
  ...rulesOfRoles('databases'),
  ...rulesOfRoles('cleanup'),
  forDatabases(
    'aws-role',
    [hasRole, not(isAmazons)],
    'is a role of AWS, and only a storage at Amazon takes one. Leave it out, or write s3://bucket/prefix without the s3-endpoint of another service',
  ),
  forDatabases('s3-region', [hasRole, isAmazons, lacksRegion], regionMessage),
  forDatabases(
    's3-region',
    [not(hasRole), isAmazons, lacksRegion, ofPolicy(cleansUpByRole), isNotSwitchedOff('cleanup')],
    regionMessage,
  ),
  // Mail needs to come from somebody; the secret with its server may also be one of an environment.
  needs('alarms', 'mail-to', 'mail-from', 'needs mail-from beside it. Write the address'),
  needs('alarms', 'smtp-url', 'mail-to', 'needs mail-to beside it. Write the address'),
];

export const rulesOfAll: readonly RuleOfAll[] = [
  {
    ...{ of: 'alarms', at: 'heartbeat-url', when: [ofPart(has('heartbeat-url'))] },
    everyDatabase: isSwitchedOff('watch'),
    message: 'is called by the watch, which is switched off. Switch it on, or leave this out',
  },
  {
    ...{ of: 'cleanup', at: 'aws-role', when: [ofPart(hasRole)] },
    everyDatabase: ofPart(not(isAmazons)),
    message: 'is a role of AWS, and no database has its storage there. Leave it out',
  },
];

/** Finds values that are valid by themselves and cannot work together. */
export function findContradictions(policy: WrittenPolicy): Contradiction[] {
  const databases = Object.entries(policy.databases);
  const broken = [
    ...rules,
    ...rulesOfAll.filter(({ everyDatabase }) =>
      databases.every(([, written]) => everyDatabase.holds(written, policy)),
    ),
  ].flatMap(({ of, when, at, message }) => {
    const parts =
      of === 'databases'
        ? databases.map(([name, written]) => ({ path: [of, name, at] as const, part: written }))
        : [{ path: [of, at] as const, part: policy[of] ?? {} }];
    return parts
      .filter(({ part }) => when.every((fact) => fact.holds(part, policy)))
      .map(({ path }): Contradiction => ({ path, message }));
  });
  return [...broken, ...findSharedStorages(policy)];
}

/** Facts between databases, which no JSON Schema can say */
function findSharedStorages({ databases }: WrittenPolicy): Contradiction[] {
  const places = Object.entries(databases).map(([name, written]) => {
    const [endpoint = '', storage = ''] = [written['s3-endpoint'], written.storage].map((text) =>
      text?.trim().replace(/\/+$/, ''),
    );
    return { name, place: `${endpoint} ${storage}` };
  });
  return places.flatMap(({ name, place }, index) =>
    places.slice(0, index).flatMap((other): Contradiction[] => {
      const message = tellShared(place, other);
      return message === undefined ? [] : [{ path: ['databases', name, 'storage'], message }];
    }),
  );
}

function tellShared(place: string, other: { name: string; place: string }): string | undefined {
  if (place === other.place)
    return `is that of ${other.name}, and a repository holds one database. Give each a prefix of its own`;
  const [isInside, isAround] = [place.startsWith(`${other.place}/`), other.place.startsWith(`${place}/`)];
  if (!isInside && !isAround) return undefined;
  return `${isInside ? 'lies within' : 'encloses'} that of ${other.name}, whose files are not those of this repository. Give each a prefix that is not the beginning of the other`;
}
