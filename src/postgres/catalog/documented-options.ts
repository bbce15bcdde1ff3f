/* Options that users set, by the manual. A server may keep internal notes beside them. */

/** PostgreSQL manual, CREATE TABLE, "Storage Parameters"; includes those of a TOAST table. */
export const tableOptions = [
  'autovacuum_analyze_scale_factor',
  'autovacuum_analyze_threshold',
  'autovacuum_enabled',
  'autovacuum_freeze_max_age',
  'autovacuum_freeze_min_age',
  'autovacuum_freeze_table_age',
  'autovacuum_multixact_freeze_max_age',
  'autovacuum_multixact_freeze_min_age',
  'autovacuum_multixact_freeze_table_age',
  'autovacuum_vacuum_cost_delay',
  'autovacuum_vacuum_cost_limit',
  'autovacuum_vacuum_insert_scale_factor',
  'autovacuum_vacuum_insert_threshold',
  'autovacuum_vacuum_max_threshold',
  'autovacuum_vacuum_scale_factor',
  'autovacuum_vacuum_threshold',
  'fillfactor',
  'log_autovacuum_min_duration',
  'parallel_workers',
  'toast_tuple_target',
  'user_catalog_table',
  'vacuum_index_cleanup',
  'vacuum_max_eager_freeze_failure_rate',
  'vacuum_truncate',
];

/** PostgreSQL manual, CREATE VIEW; a materialized view has the options of a table. */
export const viewOptions = ['check_option', 'security_barrier', 'security_invoker', ...tableOptions];

/** PostgreSQL manual, ALTER TABLE, "SET ( attribute_option = value )". */
export const columnOptions = ['n_distinct', 'n_distinct_inherited'];
