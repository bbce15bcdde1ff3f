import * as v from 'valibot';
import { count, time } from '../fields.ts';
import type { Output } from './output.ts';
import { amount, checks, copyOutcomes, refusals, text } from './values.ts';

/** What was found around backups, their copies, and the runs that make them. */
export const surroundingOutputs = {
  doctor: {
    value: v.picklist(['ok', 'warnings', 'failed']),
    operations: ['doctor'],
    description: '`ok`; `warnings` when something should be looked at; `failed` when a backup would fail.',
  },
  checks: {
    value: checks,
    operations: ['doctor'],
    description:
      'All checks, as a JSON array of objects with `area`, `name`, `subject`, `state` (`ok`, `warning`, `failed`, `unchecked`), `reason` and `remedy`.',
  },
  'failed-checks': { value: count, operations: ['doctor'], description: 'Checks that have failed.' },
  warnings: { value: count, operations: ['doctor'], description: 'Checks that warn.' },
  cure: {
    value: text,
    operations: ['doctor'],
    description:
      'What to do first: about the first failed check, or else the first warning; empty without any.',
  },
  'estimated-seconds': {
    value: amount,
    operations: ['estimate'],
    description: 'How long a full backup takes at most, in seconds; empty when no speed was measured.',
  },
  'egress-dollars': {
    value: amount,
    operations: ['estimate'],
    description:
      "What the egress of a full backup costs at Supabase, in US dollars, once the plan's share is used up.",
  },
  'egress-dollars-month': {
    value: amount,
    operations: ['estimate'],
    description: 'The same of all full backups of thirty days.',
  },
  'kept-backups': {
    value: count,
    operations: ['estimate'],
    description: 'The most backups that the retention keeps.',
  },
  'storage-cost-month': {
    value: amount,
    operations: ['estimate'],
    description:
      'What these backups cost the storage for a month at most, when everything changes between them; in the currency of `price-per-gb-month`.',
  },
  copies: {
    value: copyOutcomes,
    operations: ['backup', 'capture', 'gate', 'status', 'mirror'],
    description:
      'What became of each copy, as a JSON array of objects with `name`, `location`, `state` (`complete`, `incomplete`, `failed`), `copied`, `bytes`, `refused` and `lag`; empty without copies.',
  },
  copied: { value: count, operations: ['mirror'], description: 'Files that were copied, over all copies.' },
  refused: {
    value: count,
    operations: ['mirror', 'repair'],
    description: 'Files that were left out, because they are damaged or missing where they come from.',
  },
  'missing-backups': {
    value: count,
    operations: ['mirror'],
    description: 'Backups that a copy still lacks, over all copies; in a dry run, before it.',
  },
  'read-from': {
    value: text,
    operations: ['restore', 'drill', 'validate'],
    description: 'The copies that were read in place of the storage, or of parts of it; empty when none was.',
  },
  healed: {
    value: count,
    operations: ['repair'],
    description: 'Files that were stored again, or would be in a dry run.',
  },
  lost: {
    value: refusals,
    operations: ['repair'],
    description:
      'What is missing or damaged and no copy has whole, as a JSON array of objects with `key` and `why`.',
  },
  recipient: {
    value: text,
    operations: ['init', 'keygen'],
    description:
      'The public half of the key that was made, for `encryption-recipients`; empty when none was.',
  },
  'key-file': {
    value: text,
    operations: ['init', 'keygen'],
    description: 'The file with the key that was made, for `encryption-identity`; empty when none was.',
  },
  'recovery-sheet': {
    value: text,
    operations: ['init', 'keygen'],
    description: 'The page to print, with the key and how to restore with it; empty when no key was made.',
  },
  'next-run': {
    value: time,
    operations: ['schedule'],
    description: 'When the next scheduled run is due, ISO 8601.',
  },
  'missed-runs': {
    value: count,
    operations: ['schedule'],
    description: 'Scheduled runs of the last seven days that did not come; empty when GitHub was not asked.',
  },
  'duration-seconds': {
    value: amount,
    operations: ['backup', 'capture', 'restore', 'drill', 'gate', 'mirror', 'repair'],
    description: 'How long the operation took, in seconds.',
  },
} as const satisfies Record<string, Output>;
