import type { GateResult } from '../../../src/operations/gate/result.ts';
import { makeManifest } from '../../repository/example.ts';

/** A gate that passes a release; a test names only what it is about. */
export function makeGateResult(overrides: Partial<GateResult> = {}): GateResult {
  return {
    verdict: { kind: 'pass' },
    taken: undefined,
    wayBack: makeWayBack(),
    migrations: { kind: 'not-asked', why: 'there is no base-ref' },
    ages: { newest: 5500, verified: undefined, drilled: undefined },
    judged: [],
    judgedBefore: [],
    elapsed: 1234,
    ...overrides,
  };
}

export function makeWayBack(
  overrides: Partial<NonNullable<GateResult['wayBack']>> = {},
): NonNullable<GateResult['wayBack']> {
  return {
    manifest: makeManifest({ notCarried: [{ what: 'rows of a', why: 'left out', remedy: 'Include them.' }] }),
    pinned: false,
    place: {
      storage: 's3://bucket/it is',
      s3Endpoint: undefined,
      s3Region: 'auto',
      s3Addressing: 'auto',
    },
    needsKey: false,
    ...overrides,
  };
}
