import { recordsCommentPrefix, recordsSchema as schema } from '../postgres/own-schema.ts';
import { byToolSetting } from './transaction.ts';

/** One step of the schema. A step is never altered once it was released: a new one follows. */
export interface Migration {
  readonly version: number;
  /** Statements that run in one transaction, on any supported server */
  readonly sql: string;
}

/** The role that may read all records, and nothing else. */
export const readerRole = 'supabase_backup_reader';

const tables = ['backup_schedules', 'backup_jobs', 'backup_metrics', 'restore_operations'] as const;

const definitions = `
  CREATE TABLE ${schema}.backup_schedules (
    github_repository text NOT NULL, database_name text NOT NULL, kind text NOT NULL, cron text NOT NULL, time_zone text NOT NULL,
    workflow text NOT NULL, enabled boolean, updated_at timestamptz NOT NULL,
    PRIMARY KEY (github_repository, database_name, kind, cron));
  CREATE TABLE ${schema}.backup_jobs (
    id text PRIMARY KEY, repository text NOT NULL, operation text NOT NULL, backup_type text, backup_id text,
    status text NOT NULL CHECK (status IN ('done', 'no', 'failed')), exit_code int NOT NULL,
    started_at timestamptz NOT NULL, completed_at timestamptz NOT NULL,
    rows bigint, bytes bigint, stored_bytes bigint, new_bytes bigint, objects bigint,
    failure_class text, message text, remedy text,
    actor text NOT NULL, run_url text, run_attempt int, host text NOT NULL, tool_version text NOT NULL, record jsonb NOT NULL);
  CREATE INDEX ON ${schema}.backup_jobs (started_at DESC);
  CREATE TABLE ${schema}.backup_metrics (
    job_id text NOT NULL REFERENCES ${schema}.backup_jobs ON DELETE CASCADE, name text NOT NULL, value numeric NOT NULL,
    measured_at timestamptz NOT NULL, PRIMARY KEY (job_id, name));
  CREATE INDEX ON ${schema}.backup_metrics (name, measured_at DESC);
  CREATE TABLE ${schema}.restore_operations (
    id text NOT NULL, repository text NOT NULL, kind text NOT NULL CHECK (kind IN ('restore', 'drill')), backup_id text NOT NULL,
    status text NOT NULL CHECK (status IN ('passed', 'different', 'failed')), parity boolean, message text,
    target text, environment text, whole boolean NOT NULL, recovered_to timestamptz, safety_backup_id text,
    recovery_seconds numeric, duration_seconds numeric, completed_at timestamptz NOT NULL,
    actor text, run text, confirmed boolean, record jsonb NOT NULL, PRIMARY KEY (repository, kind, id));
  CREATE INDEX ON ${schema}.restore_operations (completed_at DESC);`;

/** An expression: whether a change is of this tool */
const isByTool = `coalesce(pg_catalog.current_setting('${byToolSetting}', true), '') = 'on'`;

/**
 * What is changed later is told by a log that only grows. Its functions are nobody's but the owner's. Measures
 * come and go with their job: who brought or deleted it has brought or deleted them.
 */
const changeLog = `
  CREATE TABLE ${schema}.change_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL DEFAULT session_user, by_tool boolean NOT NULL DEFAULT ${isByTool}, table_name text NOT NULL, action text NOT NULL, before jsonb, after jsonb);
  CREATE FUNCTION ${schema}.note_change() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
  BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'backup_metrics'
      AND NOT EXISTS (SELECT FROM ${schema}.backup_jobs WHERE id = pg_catalog.to_jsonb(OLD) ->> 'job_id') THEN RETURN NULL; END IF;
    INSERT INTO ${schema}.change_log (table_name, action, before, after) VALUES (TG_TABLE_NAME, TG_OP,
      CASE WHEN TG_OP <> 'INSERT' THEN pg_catalog.to_jsonb(OLD) END, CASE WHEN TG_OP <> 'DELETE' THEN pg_catalog.to_jsonb(NEW) END);
    RETURN NULL;
  END $$;
  CREATE FUNCTION ${schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
  BEGIN RAISE EXCEPTION 'the change log only grows' USING ERRCODE = 'restrict_violation'; END $$;
  REVOKE ALL ON FUNCTION ${schema}.note_change(), ${schema}.refuse_change() FROM PUBLIC;
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ${schema}.change_log FOR EACH ROW EXECUTE FUNCTION ${schema}.refuse_change();
  CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ${schema}.change_log FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.refuse_change();
  ${tables
    .map(
      (table) => `
  CREATE TRIGGER noted_insert AFTER INSERT ON ${schema}.${table} FOR EACH ROW
    ${table === 'backup_metrics' ? `WHEN (NOT ${isByTool})` : ''} EXECUTE FUNCTION ${schema}.note_change();
  CREATE TRIGGER noted AFTER UPDATE OR DELETE ON ${schema}.${table} FOR EACH ROW EXECUTE FUNCTION ${schema}.note_change();
  CREATE TRIGGER noted_whole AFTER TRUNCATE ON ${schema}.${table} FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.note_change();`,
    )
    .join('')}`;

/** Row security without a policy leaves the rows to the owner, and to roles that bypass it. */
const security = [...tables, 'change_log', 'transactions', 'schema_versions']
  .map((table) => `ALTER TABLE ${schema}.${table} ENABLE ROW LEVEL SECURITY;`)
  .join('\n');

/** What `schema.ts` makes first of all: what tells the schema, its version and its own transactions. */
export const foundation = `
  CREATE SCHEMA ${schema};
  COMMENT ON SCHEMA ${schema} IS '${recordsCommentPrefix}: what was done, filled from the repository. Not backed up; may be dropped.';
  CREATE TABLE ${schema}.schema_versions (
    version int PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), applied_by text NOT NULL DEFAULT session_user);
  CREATE TABLE ${schema}.transactions (
    xid xid8 DEFAULT pg_current_xact_id(), system_identifier bigint DEFAULT (pg_control_system()).system_identifier,
    at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (system_identifier, xid));`;

export const migrations: readonly Migration[] = [
  { version: 1, sql: `${definitions}\n${changeLog}\n${security}` },
];

const views: Readonly<Record<string, string>> = {
  recent_jobs: `SELECT id, operation, backup_type, backup_id, status, started_at, completed_at, completed_at - started_at AS duration, message
    FROM ${schema}.backup_jobs WHERE started_at > now() - interval '24 hours'`,
  success_rate: `SELECT operation, status, count(*) AS jobs, round(100.0 * count(*) / sum(count(*)) OVER (PARTITION BY operation), 1) AS percent
    FROM ${schema}.backup_jobs WHERE started_at > now() - interval '30 days' GROUP BY operation, status`,
  storage_by_type: `SELECT backup_type, count(*) AS backups, sum(new_bytes) AS new_bytes, round(avg(stored_bytes)) AS average_stored_bytes
    FROM (
      SELECT backup_type, new_bytes, stored_bytes FROM ${schema}.backup_jobs WHERE backup_type IS NOT NULL AND status <> 'failed'
      UNION ALL SELECT 'safety', (record #>> '{safety,newBytes}')::bigint, (record #>> '{safety,storedBytes}')::bigint
        FROM ${schema}.restore_operations WHERE record ? 'safety') AS taken
    GROUP BY backup_type`,
};

/**
 * Views and rights, which follow from the server and its roles and are made anew with every migration. Before
 * version 15 a view could only show rows with its owner's rights, so there are none.
 */
export function writeSurface(serverVersion: number, hasReader: boolean): string {
  const names = serverVersion < 150000 ? [] : Object.keys(views);
  const made = names.map(
    (name) => `CREATE OR REPLACE VIEW ${schema}.${name} WITH (security_invoker = true) AS ${views[name]};`,
  );
  const read = hasReader
    ? [
        `GRANT USAGE ON SCHEMA ${schema} TO ${readerRole};`,
        ...[...tables, 'change_log', ...names].map(
          (name) => `GRANT SELECT ON ${schema}.${name} TO ${readerRole};`,
        ),
        ...[...tables, 'change_log'].map(
          (table) => `DROP POLICY IF EXISTS readers ON ${schema}.${table};
            CREATE POLICY readers ON ${schema}.${table} FOR SELECT TO ${readerRole} USING (true);`,
        ),
      ]
    : [];
  return [...made, ...read].join('\n');
}
