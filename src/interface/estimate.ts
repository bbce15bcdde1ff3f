import type { RetentionPolicy } from '../values/retention-policy.ts';

/** What backups of a database come to, by a look at it. */
export interface Estimate {
  /** `user@host:port/database` */
  readonly database: string;
  readonly size: SourceSize;
  /** Of a full backup; undefined where no speed was measured */
  readonly time: EstimatedTime | undefined;
  readonly egress: EstimatedEgress;
  readonly storage: EstimatedStorage;
  readonly basis: Basis;
}

/** milliseconds */
export interface EstimatedTime {
  /** When each of the jobs is as fast as the one connection of the sample was */
  readonly least: number;
  /** When all of them together are */
  readonly most: number;
  readonly jobs: number;
}

/** US dollars at Supabase, once the plan's share is used up */
export interface EstimatedEgress {
  readonly ofFull: number;
  /** Of the full backups of thirty days; incremental ones come on top, and read less */
  readonly ofMonth: number;
}

/** Of the backups that the retention keeps, compressed. What has not changed is stored once. */
export interface EstimatedStorage {
  /** The most backups that are kept */
  readonly backups: number;
  /** bytes when nothing changes between them */
  readonly leastBytes: number;
  /** bytes when everything does */
  readonly mostBytes: number;
  /** For a month, in the currency of the price */
  readonly leastCost: number;
  readonly mostCost: number;
}

/** By what is reckoned. */
export interface Basis {
  readonly retention: RetentionPolicy;
  /** Where retention and schedule come from; `inputs`: a full backup every night */
  readonly source: 'policy' | 'inputs';
  /** In thirty days */
  readonly fullBackups: number;
  /** Full and incremental ones in thirty days */
  readonly allBackups: number;
  readonly pricePerGbMonth: number;
}

/** How large a database is, as far as a look can tell. */
export interface SourceSize {
  /** bytes on the disk of the server, indexes included */
  readonly databaseBytes: number;
  /** Those whose rows are copied */
  readonly tables: number;
  /** bytes of these tables on disk, without indexes */
  readonly tableBytes: number;
  readonly largeObjectBytes: number;
  /** By the statistics of the server, and by the sample where it has none */
  readonly rows: number;
  /** Tables without statistics, and not in the sample: their rows are not counted */
  readonly uncounted: number;
  /** bytes of text that rows and large objects are sent as */
  readonly wireBytes: number;
  /** bytes once they are compressed */
  readonly storedBytes: number;
  /** Undefined: nothing could be read, and all bytes are those on disk */
  readonly sample: Sample | undefined;
}

/** What was read to know how rows look as text. */
export interface Sample {
  readonly tables: number;
  /** bytes of text */
  readonly bytes: number;
  readonly milliseconds: number;
}
