import type { ReportKind } from '../../interface/inputs/report-kinds.ts';

/** What was written, and what it says in short. */
export interface WrittenReport {
  readonly kind: ReportKind;
  /** The file or folder */
  readonly path: string;
  readonly files: number;
  /** Of all files */
  readonly bytes: number;
  readonly databases: readonly DatabaseVerdict[];
}

export interface DatabaseVerdict {
  readonly name: string;
  readonly verdict: 'healthy' | 'broken' | 'unreadable';
  /** Limits that are not met; of an unreadable database what was wrong */
  readonly broken: readonly string[];
}
