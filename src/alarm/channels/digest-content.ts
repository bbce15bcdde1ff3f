import type { Digest, DigestFinding, RunCount } from '../../interface/digest.ts';

/** A digest in the JSON for `notify-url` (docs/alarms.md). Times are ISO 8601, UTC. */
export interface DigestContent {
  readonly from: string;
  readonly to: string;
  readonly storage: string;
  readonly runs: readonly RunCount[];
  readonly backups: Digest['backups'];
  readonly newest: {
    readonly id: string;
    readonly takenAt: string;
    readonly rows: number;
    readonly bytes: number;
  } | null;
  readonly recoverableTo: string | null;
  readonly storedBytes: number;
  readonly monthGrowthBytes: number | null;
  readonly lastDrill: {
    readonly at: string;
    readonly backup: string;
    readonly passed: boolean;
    readonly recoverySeconds: number | null;
  } | null;
  readonly lastVerified: string | null;
  readonly findings: readonly DigestFinding[];
  readonly removals: readonly {
    readonly backup: string;
    readonly takenAt: string;
    readonly reasons: readonly string[];
  }[];
}

export function toDigestContent(digest: Digest): DigestContent {
  const { from, to, location, runs, backups, newest, recoverableTo, lastDrill, lastVerified } = digest;
  const { storedBytes, monthGrowthBytes, findings, removals } = digest;
  return {
    ...{ from: from.toISOString(), to: to.toISOString(), storage: location, runs, backups },
    newest: newest ? { ...newest, takenAt: newest.takenAt.toISOString() } : null,
    recoverableTo: recoverableTo?.toISOString() ?? null,
    storedBytes,
    monthGrowthBytes: monthGrowthBytes ?? null,
    lastDrill: lastDrill ? toDrill(lastDrill) : null,
    lastVerified: lastVerified?.toISOString() ?? null,
    findings,
    removals: removals.map(({ backup, takenAt, reasons }) => {
      return { backup, takenAt: takenAt.toISOString(), reasons };
    }),
  };
}

function toDrill({ at, backup, passed, recovery }: NonNullable<Digest['lastDrill']>) {
  const recoverySeconds = recovery === undefined ? null : recovery / 1000;
  return { at: at.toISOString(), backup, passed, recoverySeconds };
}
