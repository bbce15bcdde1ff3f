import type { Manifest } from '../../format/manifest.ts';
import type { ReadBackRequest } from '../../interface/inputs/types.ts';
import type { Segment } from '../../repository/changes/segments.ts';
import type { Repository } from '../../repository/open.ts';
import type { Findings } from './findings.ts';
import type { Holder } from './object-uses.ts';

/** The subject of a validation: manifests and segments, and which of them the identities open. */
export interface Reading {
  readonly request: ReadBackRequest;
  readonly repository: Repository;
  readonly manifests: readonly Manifest[];
  readonly segments: readonly Segment[];
  readonly mayOpen: (holder: Holder) => boolean;
  readonly findings: Findings;
}
