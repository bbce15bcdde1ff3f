#!/bin/sh
#
# Restores a backup of supabase-backup without supabase-backup: with psql, pg_restore, zstd, age where the backup is encrypted,
# and the tools that every Unix has. docs/recover-by-hand.md tells how to do the same without this script, and
# docs/format.md what it reads.

set -euf
umask 077
LC_ALL=C
export LC_ALL

usage() {
  cat <<'TEXT'
Usage: recover-by-hand.sh REPOSITORY BACKUP_ID|latest TARGET_URL|- [IDENTITY_FILE]
       recover-by-hand.sh --globals REPOSITORY BACKUP_ID|latest TARGET_URL|- [IDENTITY_FILE]
       recover-by-hand.sh --unsealed [--globals] REPOSITORY …
       recover-by-hand.sh --list REPOSITORY

Restores a backup into an empty database, one table after another. With --globals it restores nothing and prints the SQL
of what belongs to the server or the project rather than to the database: roles that the target lacks, their memberships and
settings, settings of the database, cron jobs. Read it, and run it with psql: the roles before a restore, the rest after it.

  REPOSITORY      A folder with repository.json, backups/ and objects/. Copy it from S3 first, for
                  example with: aws s3 sync s3://bucket/prefix ./repository
  BACKUP_ID       The name of a file in backups/, without .json; or latest, the newest with rows.
  TARGET_URL      postgresql://user@host:5432/database of the target. A password in it is shown by the
                  list of processes. With - the target comes from libpq's variables: PGHOST, PGPORT,
                  PGUSER, PGPASSWORD (or ~/.pgpass), PGDATABASE, PGSSLMODE.
  IDENTITY_FILE   The file that age-keygen wrote; needed when the backup is encrypted.

Environment:
  SUPABASE_BACKUP_REPOSITORY_KEY  The repository's key where it is kept outside of the repository.
                                  Without it nobody can tell who made the backup, and it is refused.
                                  With --unsealed all else works, and whoever could write into the
                                  folder may have decided what is run in the target.
  TMPDIR                          Where there is room for the schema archive, which holds all large
                                  objects, and for two more stored objects. Default /tmp.

Exit status: 0 when everything was restored and every table has as many rows as the backup recorded,
1 when not (what the server refuses is shown and left out, and the rest is restored), 2 when it was called wrongly.
TEXT
}

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

misuse() {
  say "error: $*"
  usage >&2
  exit 2
}

need() { command -v "$1" >/dev/null 2>&1 || die "$1 is not installed. $2"; }

# --- Which backup ------------------------------------------------------------------------------------------------------------

# Ids of all backups, oldest first. The pattern is the shape of an id, so that whatever else lies there is passed over, as is what is larger than
# any manifest.
list_backups() {
  find "$repository/backups/" -type f -size -268435457c -name '*.json' | sed -n 's|.*/\([0-9]\{8\}T[0-9]\{6\}Z-[0-9a-f]\{4\}\)\.json$|\1|p' | sort
}

# A quote inside of a JSON string is escaped, so this cannot be part of a label or a name.
is_schema_only() { grep -q '"kind":"schema"' "$repository/backups/$1.json"; }

find_latest() {
  latest=
  for id in $(list_backups); do
    is_schema_only "$id" || latest=$id
  done
  [ -n "$latest" ] || die "there is no backup with rows in $repository"
  printf '%s\n' "$latest"
}

case ${1-} in
  -h | --help)
    usage
    exit 0
    ;;
  --list)
    [ $# -eq 2 ] || misuse '--list takes one folder'
    [ -d "$2/backups" ] || die "$2 is no repository: it has no folder backups"
    repository=$(CDPATH='' cd -- "$2" && pwd)
    for id in $(list_backups); do
      if is_schema_only "$id"; then printf '%s  definitions only\n' "$id"; else printf '%s\n' "$id"; fi
    done
    exit 0
    ;;
esac
globals=
unsealed=
while :; do
  case ${1-} in
    --globals) globals=yes ;;
    --unsealed) unsealed=yes ;;
    *) break ;;
  esac
  shift
done
[ $# -eq 3 ] || [ $# -eq 4 ] || misuse 'three or four arguments are wanted'

[ -d "$1/backups" ] || die "$1 is no repository: it has no folder backups"
repository=$(CDPATH='' cd -- "$1" && pwd)
target=$3
[ "$target" != - ] || target=
identity=
if [ $# -eq 4 ]; then
  [ -r "$4" ] || die "the identity file $4 cannot be read"
  identity=$(CDPATH='' cd -- "$(dirname -- "$4")" && pwd)/$(basename -- "$4")
fi
if [ "$2" = latest ]; then backup=$(find_latest); else backup=$2; fi
manifest=$repository/backups/$backup.json
[ -f "$manifest" ] || die "there is no backup $backup in $repository; --list shows those that are"
[ "$(($(wc -c <"$manifest")))" -le 268435456 ] || die "the manifest of $backup is larger than any is. Use another backup."
config=$repository/repository.json
if [ -e "$config" ]; then
  [ -f "$config" ] || die "$config is no file. Bring back the one that was there from a copy."
  [ "$(($(wc -c <"$config")))" -le 65536 ] || die "$config is larger than any is. Bring back the one that was there from a copy."
fi

need psql 'Install the PostgreSQL client programs, of the major version of the target or newer.'
need pg_restore 'Install the PostgreSQL client programs, of the major version of the target or newer.'
need zstd 'Install zstd.'
if command -v sha256sum >/dev/null 2>&1; then
  hash='sha256sum'
elif command -v shasum >/dev/null 2>&1; then
  hash='shasum -a 256'
else
  die 'neither sha256sum nor shasum is installed. Install coreutils.'
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/recover-by-hand.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$folder"

# Manifests and statements are UTF-8, whatever the locale here.
ask() { PGCLIENTENCODING=UTF8 psql -X -w -q -A -t -P pager=off -v ON_ERROR_STOP=1 -d "$target" "$@"; }

# --- The manifest becomes lists of lines ---------------------------------------------------------------------------------------
# The target's own SQL reads the JSON and quotes the names. Nothing but temporary tables and functions is made there.

cat >session.sql <<'SQL'
-- A role or a database may have limits that a restore would run into. Not every server knows every one of them.
SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings
WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout');
SET client_min_messages = error;
SET search_path = '';
SET standard_conforming_strings = on;
SET row_security = off;
SQL

cat >plan.sql <<'SQL'
CREATE TEMPORARY TABLE input (number int GENERATED ALWAYS AS IDENTITY, line text);
-- JSON text holds no control characters, so these two never occur and every line is one value.
\copy pg_temp.input (line) FROM pstdin WITH (FORMAT csv, DELIMITER e'\x02', QUOTE e'\x01')

-- As quote_ident, but always on one line: a line end, as any other control character, becomes an escape.
CREATE FUNCTION pg_temp.quote_name(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN name ~ '[\x01-\x1f\x7f]' THEN
    (SELECT 'U&"' || string_agg(CASE WHEN c ~ '[\x01-\x1f\x7f]' THEN '\' || lpad(upper(to_hex(ascii(c))), 4, '0')
                                     WHEN c IN ('"', '\') THEN c || c ELSE c END, '' ORDER BY position) || '"'
     FROM regexp_split_to_table(name, '') WITH ORDINALITY AS each (c, position))
    ELSE quote_ident(name) END $$;
CREATE FUNCTION pg_temp.quote_pair(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT format('%s.%s', pg_temp.quote_name(value ->> 'schema'), pg_temp.quote_name(value ->> 'name')) $$;

CREATE FUNCTION pg_temp.is_count(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_typeof(value) = 'number' AND value #>> '{}' ~ '^[0-9]{1,15}$', false) $$;
CREATE FUNCTION pg_temp.is_text(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_typeof(value) = 'string', false) $$;
CREATE FUNCTION pg_temp.is_list(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_typeof(value) = 'array', false) $$;
-- What is not of its form is no list, so that to look into it is no error.
CREATE FUNCTION pg_temp.elements(value jsonb) RETURNS SETOF jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_array_elements(CASE WHEN jsonb_typeof(value) = 'array' THEN value ELSE '[]' END) $$;

-- HMAC-SHA256 (RFC 2104) with a key no longer than a block; null without a key.
CREATE FUNCTION pg_temp.pad(key bytea, byte int) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT string_agg(set_byte('\x00'::bytea, 0, byte # CASE WHEN i < length(key) THEN get_byte(key, i) ELSE 0 END), ''::bytea ORDER BY i)
  FROM generate_series(0, 63) AS i $$;
CREATE FUNCTION pg_temp.hmac(key bytea, message bytea) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT encode(sha256(pg_temp.pad(key, 92) || sha256(pg_temp.pad(key, 54) || message)), 'hex') $$;

CREATE TEMPORARY TABLE sealed AS
  SELECT left(line, -75) || '}' AS content, left(right(line, 66), 64) AS seal FROM input WHERE number = 1;

\o problems
SELECT 'the manifest is truncated or damaged: no seal at its end. Use another backup.'
FROM input WHERE number = 1 AND coalesce(right(line, 75) !~ '^,"seal":"[0-9a-f]{64}"\}$', true);
SELECT 'the manifest or repository.json is damaged: it holds control characters. Use another backup.' FROM input HAVING count(*) <> 3;
\o

CREATE TEMPORARY TABLE repository AS
  SELECT config, decode(coalesce(given, config #>> '{key,value}'), 'hex') AS key
  FROM (SELECT (SELECT line::jsonb FROM input WHERE number = 2) AS config,
               (SELECT line FROM input WHERE number = 3) AS given) AS read;
-- In format 2 a repository has a key of its own, made of the one that is kept.
ALTER TABLE repository ADD COLUMN bound bytea;
UPDATE repository SET bound = CASE config ->> 'format' WHEN '1' THEN key
  ELSE decode(pg_temp.hmac(key, convert_to('supabase-backup repository ' || (config ->> 'id'), 'UTF8')), 'hex') END;

\o problems-of-repository
SELECT 'repository.json has format ' || coalesce(config ->> 'format', 'none') || '; this script reads formats 1 and 2.'
FROM repository WHERE config IS NOT NULL AND coalesce(config ->> 'format' NOT IN ('1', '2'), true);
-- Whoever may write there can leave out of it what the check of a seal needs, so that there would be nothing to compare with.
SELECT 'repository.json is damaged: ' || what || '. Bring back the one that was there from a copy.'
FROM repository, LATERAL (
  SELECT 'its id is none' AS what WHERE coalesce(config ->> 'id' !~ '^[0-9a-f]{32}$', true)
  UNION ALL SELECT 'it does not tell who has the key' WHERE coalesce(config #>> '{key,held}' NOT IN ('repository', 'outside'), true)
  UNION ALL SELECT 'its key is none' WHERE config #>> '{key,held}' = 'repository' AND coalesce(config #>> '{key,value}' !~ '^[0-9a-f]{64}$', true)
  UNION ALL SELECT 'it does not tell how to know the key'
    WHERE config #>> '{key,held}' = 'outside' AND (coalesce(config #>> '{key,check}' !~ '^[0-9a-f]{64}$', true) OR config #> '{key,value}' IS NOT NULL)
) AS wrong WHERE config IS NOT NULL LIMIT 1;
-- One who may write there can put a repository.json with a key of his own into the place of the right one.
SELECT 'SUPABASE_BACKUP_REPOSITORY_KEY is not the key of this repository.'
FROM repository WHERE length(key) <> 32 OR pg_temp.hmac(key, convert_to('supabase-backup repository key check', 'UTF8')) <> config #>> '{key,check}'
  OR encode(key, 'hex') <> config #>> '{key,value}';
SELECT 'the seal of the manifest does not fit its content: it was damaged or changed. Use another backup.'
FROM sealed, repository
WHERE pg_temp.hmac(bound, '\x6d616e696665737400'::bytea || convert_to(content, 'UTF8')) <> seal;
-- Format 2 also says what the backup was taken for, which a restore does not ask.
SELECT format('the manifest has format %s; this script reads formats 1 and 2.', coalesce(content::jsonb ->> 'format', 'none'))
FROM sealed WHERE coalesce(content::jsonb ->> 'format' NOT IN ('1', '2'), true);
\o

\o unchecked
SELECT CASE WHEN config IS NULL THEN 'there is no repository.json with a key. Bring it back from a copy'
            ELSE 'the key of this repository is kept outside of it. Give it as SUPABASE_BACKUP_REPOSITORY_KEY' END
FROM repository WHERE bound IS NULL;
\o

CREATE TEMPORARY TABLE manifest AS SELECT content::jsonb AS m FROM sealed;

-- Nothing of a manifest comes into the lists of lines, and from there to the shell and to psql, that is not of its form. The seal tells who
-- wrote it at best, and names are quoted.
\o problems-of-form
SELECT format('the manifest is not of format 1 or 2: %s. Use another backup.', what)
FROM (SELECT m, (SELECT count(*) FROM pg_temp.elements(m -> 'objects')) AS objects FROM manifest) AS read, LATERAL (
  SELECT 'its id' AS what WHERE coalesce(m ->> 'id' !~ '^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}$', true)
  UNION ALL SELECT 'its time' WHERE coalesce(m #>> '{source,snapshotAt}' !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,20}Z$', true)
  UNION ALL SELECT 'its encryption' WHERE coalesce(m #>> '{encryption,scheme}' NOT IN ('none', 'age'), true)
  UNION ALL SELECT 'its encoding' WHERE coalesce(m #>> '{source,encoding}' NOT IN ('UTF8', 'SQL_ASCII'), true)
  UNION ALL SELECT 'the version of its server' WHERE NOT pg_temp.is_count(m #> '{source,serverVersion}')
  UNION ALL SELECT 'its settings' FROM jsonb_each(CASE jsonb_typeof(m #> '{source,settings}') WHEN 'object' THEN m #> '{source,settings}' ELSE '{"":""}' END)
    WHERE NOT pg_temp.is_text(value) OR lower(key) NOT IN ('datestyle', 'intervalstyle', 'timezone', 'extra_float_digits', 'bytea_output', 'lc_monetary',
      'xmlbinary', 'xmloption', 'row_security', 'search_path', 'quote_all_identifiers', 'synchronize_seqscans')
  UNION ALL SELECT 'its lists' WHERE NOT (pg_temp.is_list(m -> 'objects') AND pg_temp.is_list(m -> 'tables') AND pg_temp.is_list(m -> 'notCarried')
    AND pg_temp.is_list(m #> '{facts,roles}') AND pg_temp.is_list(m #> '{archive,objects}') AND pg_temp.is_list(m #> '{supplement,objects}'))
  UNION ALL SELECT 'an object' FROM pg_temp.elements(m -> 'objects') AS o
    WHERE coalesce(o ->> 'name' !~ '^[0-9a-f]{64}$' OR o ->> 'sha256' !~ '^[0-9a-f]{64}$', true)
      OR CASE WHEN pg_temp.is_count(o -> 'bytes') AND pg_temp.is_count(o -> 'stored')
           THEN (o -> 'bytes')::bigint > 33554432 OR (o -> 'stored')::bigint > 35651584 ELSE true END
  UNION ALL SELECT 'a role' FROM pg_temp.elements(m #> '{facts,roles}') AS r WHERE NOT pg_temp.is_text(r)
  UNION ALL SELECT 'an object of its archive or its supplement'
    FROM (SELECT pg_temp.elements(m #> '{archive,objects}') UNION ALL SELECT pg_temp.elements(m #> '{supplement,objects}')) AS a (index)
    WHERE CASE WHEN pg_temp.is_count(index) THEN index::bigint >= objects ELSE true END
  UNION ALL SELECT 'a table' FROM pg_temp.elements(m -> 'tables') AS t
    WHERE NOT (pg_temp.is_text(t -> 'schema') AND pg_temp.is_text(t -> 'name') AND pg_temp.is_count(t -> 'rows') AND pg_temp.is_list(t -> 'columns')
      AND pg_temp.is_list(t -> 'ranges') AND (coalesce(t -> 'root', 'null') = 'null' OR pg_temp.is_text(t #> '{root,schema}') AND pg_temp.is_text(t #> '{root,name}')))
      OR EXISTS (SELECT FROM pg_temp.elements(t -> 'columns') AS c WHERE NOT pg_temp.is_text(c))
  UNION ALL SELECT 'a range' FROM pg_temp.elements(m -> 'tables') AS t, pg_temp.elements(t -> 'ranges') AS r WHERE NOT pg_temp.is_list(r -> 'pieces')
  UNION ALL SELECT 'a piece' FROM pg_temp.elements(m -> 'tables') AS t, pg_temp.elements(t -> 'ranges') AS r, pg_temp.elements(r -> 'pieces') AS p
    WHERE NOT (pg_temp.is_count(p -> 'offset') AND pg_temp.is_count(p -> 'length'))
      OR CASE WHEN pg_temp.is_count(p -> 'object') THEN (p -> 'object')::bigint >= objects ELSE true END
) AS wrong LIMIT 1;
-- A key that several repositories of format 1 have seals for all of them.
SELECT 'the manifest is of another database than those of this repository. Use another backup.' FROM manifest, repository
WHERE config IS NOT NULL AND (m #>> '{source,systemIdentifier}', m #>> '{source,database}') IS DISTINCT FROM
  (config #>> '{source,systemIdentifier}', config #>> '{source,database}');
\o

CREATE TEMPORARY TABLE object AS
  SELECT position::int - 1 AS index, value ->> 'name' AS name, (value ->> 'bytes')::bigint AS bytes,
         (value ->> 'stored')::bigint AS stored, value ->> 'sha256' AS sha256
  FROM manifest, jsonb_array_elements(m -> 'objects') WITH ORDINALITY AS each (value, position);

-- Where a table has a root, its rows are loaded there: a restore may move them to another of the root's partitions.
CREATE TEMPORARY TABLE source_table AS
  SELECT position AS number, pg_temp.quote_pair(value) AS name, pg_temp.quote_pair(coalesce(nullif(value -> 'root', 'null'), value)) AS target,
         (SELECT string_agg(pg_temp.quote_name(col), ', ' ORDER BY place)
          FROM jsonb_array_elements_text(value -> 'columns') WITH ORDINALITY AS c (col, place)) AS columns,
         (value ->> 'rows')::bigint AS rows, value -> 'ranges' AS ranges
  FROM manifest, jsonb_array_elements(m -> 'tables') WITH ORDINALITY AS each (value, position);

CREATE TEMPORARY TABLE piece AS
  SELECT t.number AS table_number, r.position AS range_number, p.position AS piece_number,
         (p.value ->> 'object')::int AS object, (p.value ->> 'offset')::bigint AS skipped, (p.value ->> 'length')::bigint AS length
  FROM source_table t, jsonb_array_elements(t.ranges) WITH ORDINALITY AS r (value, position),
       jsonb_array_elements(r.value -> 'pieces') WITH ORDINALITY AS p (value, position);

\o problems-of-target
SELECT format('the server is PostgreSQL %s, and the backup comes from PostgreSQL %s. Restore into the same version or a newer one.',
              current_setting('server_version_num')::int / 10000, (m #>> '{source,serverVersion}')::int / 10000)
FROM manifest WHERE current_setting('server_version_num')::int / 10000 < (m #>> '{source,serverVersion}')::int / 10000;
SELECT format('the database has encoding %s, and the backup holds text in %s. Create the target with TEMPLATE template0 ENCODING ''%s''.',
              current_setting('server_encoding'), m #>> '{source,encoding}', m #>> '{source,encoding}')
FROM manifest WHERE (m #>> '{source,encoding}' = 'SQL_ASCII') <> (current_setting('server_encoding') = 'SQL_ASCII');
SELECT format('the database is not empty: it has %s tables, views or sequences, for one %s. Restore into a new database.',
              count(*), min(format('%s.%s', pg_temp.quote_name(n.nspname), pg_temp.quote_name(c.relname))))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
HAVING count(*) > 0;
SELECT 'the server lacks roles that own things in this backup or are granted something. Create them first: --globals prints them as they were; for example: '
       || string_agg(format('CREATE ROLE %s;', pg_temp.quote_name(role)), ' ')
FROM manifest, jsonb_array_elements_text(m #> '{facts,roles}') AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)
HAVING count(*) > 0;
\o

-- Backup, time of its snapshot, encryption, and how many objects, stored bytes, tables, rows and bytes of rows.
\o facts
SELECT format('%s %s %s %s %s %s %s %s', m ->> 'id', m #>> '{source,snapshotAt}', m #>> '{encryption,scheme}',
              (SELECT count(*) FROM object), (SELECT sum(stored) FROM object), (SELECT count(*) FROM source_table),
              (SELECT coalesce(sum(rows), 0) FROM source_table), (SELECT coalesce(sum(length), 0) FROM piece))
FROM manifest;

\o checksums
SELECT DISTINCT format('%s  objects/%s/%s', sha256, left(name, 2), name) FROM object;

-- Objects of the archive, in order: name and bytes.
\o archive
SELECT format('%s %s', o.name, o.bytes)
FROM manifest, jsonb_array_elements_text(m #> '{archive,objects}') WITH ORDINALITY AS a (index, position)
JOIN object o ON o.index = a.index::int ORDER BY a.position;

-- Objects of the supplement, in order: name and bytes.
\o supplement
SELECT format('%s %s', o.name, o.bytes)
FROM manifest, jsonb_array_elements_text(m #> '{supplement,objects}') WITH ORDINALITY AS a (index, position)
JOIN object o ON o.index = a.index::int ORDER BY a.position;

-- pg_restore lists names with line ends as spaces.
\o schemas
SELECT translate(nspname, E'\n\r', '  ') FROM pg_namespace;
\o roles
SELECT translate(rolname, E'\n\r', '  ') FROM pg_roles;

-- Each range is `copy STATEMENT`, its `piece NAME BYTES OFFSET LENGTH` lines, and `end`; those that share an object stand together.
\o rows
SELECT line FROM (
  SELECT table_number, range_number, first_object, first_skipped, step, line FROM (
    SELECT table_number, range_number, object AS first_object, skipped AS first_skipped FROM piece WHERE piece_number = 1
  ) AS range JOIN LATERAL (
    SELECT 0 AS step, format('copy COPY %s%s FROM STDIN;', t.target, ' (' || t.columns || ')') AS line
    FROM source_table t WHERE t.number = range.table_number
    UNION ALL SELECT -1, 'end'
  ) AS ends ON true
  UNION ALL
  SELECT p.table_number, p.range_number, f.object, f.skipped, p.piece_number,
         format('piece %s %s %s %s', o.name, o.bytes, p.skipped, p.length)
  FROM piece p JOIN piece f ON f.table_number = p.table_number AND f.range_number = p.range_number AND f.piece_number = 1
  JOIN object o ON o.index = p.object
) AS lines
ORDER BY first_object, first_skipped, table_number, range_number, step < 0, step;

-- What the rows were written with, so that they are read the same way.
\o settings.sql
SELECT format('SELECT set_config(%L, %L, false);', key, value) FROM manifest, jsonb_each_text(m #> '{source,settings}');
SELECT format('SELECT set_config(''client_encoding'', %L, false);', m #>> '{source,encoding}') FROM manifest;

-- Prints whether, how many of how many, and the table.
\o counts.sql
SELECT format(E'SELECT format(E''%%s\\t%%s of %%s rows\\t%%s'', CASE n WHEN %s THEN ''equal'' ELSE ''DIFFERENT'' END, n, %s, %L) FROM (SELECT %s) AS counted (n);',
              sum(rows), sum(rows), target, string_agg(format('(SELECT count(*) FROM ONLY %s)', name), ' + '))
FROM source_table GROUP BY target ORDER BY min(number);

-- Queues of pgmq, which the archive does not make: the extension does, with a list of them, whose rows are in the backup.
\o queues.sql
SELECT format('SELECT pgmq.%I(%L) WHERE to_regclass(%L) IS NULL;', CASE value ->> 'persistence' WHEN 'unlogged' THEN 'create_unlogged' ELSE 'create' END,
              substr(value ->> 'name', 3), format('pgmq.%I', value ->> 'name'))
FROM manifest, jsonb_array_elements(m -> 'tables') AS value WHERE value ->> 'schema' = 'pgmq' AND value ->> 'name' LIKE 'q\_%';
SELECT 'DELETE FROM pgmq.meta;' FROM manifest, jsonb_array_elements(m -> 'tables') AS value
WHERE value ->> 'schema' = 'pgmq' AND value ->> 'name' = 'meta';

\o not-carried
SELECT regexp_replace(format('%s (%s)', value ->> 'what', value ->> 'why'), '[\x01-\x1f\x7f]', ' ', 'g') FROM manifest, jsonb_array_elements(m -> 'notCarried') AS value;
SQL

if [ -f "$config" ]; then
  tr -d '\r\n' <"$config" >repository.line
else
  : >repository.line
fi
{
  tr -d '\r\n' <"$manifest"
  printf '\n'
  cat repository.line
  printf '\n%s\n' "${SUPABASE_BACKUP_REPOSITORY_KEY-}"
} >input
# An error stops it midway; what it found until then says more than the error.
planned=0
ask -f session.sql -f plan.sql <input >/dev/null 2>errors || planned=$?
if [ -n "$globals" ]; then : >problems-of-target; fi
for file in problems problems-of-repository problems-of-form problems-of-target; do
  if [ -s "$file" ]; then die "$(sed 1q "$file")"; fi
done
if [ "$planned" -ne 0 ]; then die "the manifest could not be read through the target: $(cat errors)"; fi
if [ -s unchecked ]; then
  [ -n "$unsealed" ] || die "nobody can tell who made this backup: $(cat unchecked), or give --unsealed first."
  say 'note: the seal of the manifest is not checked. Whoever could write into the repository may have made the backup, and with it the statements'
  say '      that are run in the target: its definitions, its queues, and what was added to tables of extensions.'
fi

read -r id snapshot scheme objects stored tables rows bytes <facts
[ "$id" = "$backup" ] || die "the manifest of $backup says that it is backup $id. Use another backup."
if [ "$scheme" = age ]; then
  need age 'Install age: the backup is encrypted.'
  [ -n "$identity" ] || die 'the backup is encrypted: give the file with the age identity as the fourth argument'
fi
say "Backup $id of $snapshot: $tables tables, $rows rows, $objects objects of $((stored / 1048576)) MB, encryption: $scheme"

# --- Objects -------------------------------------------------------------------------------------------------------------------

# A pipe in the place of one would keep the check waiting for ever, and a file of terabytes nearly so.
while read -r _ path; do
  if [ -e "$repository/$path" ] && [ ! -f "$repository/$path" ]; then
    die "$path is no file, and nothing was restored. Use another backup or another copy of the repository."
  fi
done <checksums
find -L "$repository/objects/" -type f -size +35651584c | sed -n 's|.*/\([0-9a-f]\{64\}\)$|\1|p' >oversized
if [ -s oversized ] && grep -qF -f oversized checksums; then
  die 'stored objects are larger than any is, and nothing was restored. Use another backup or another copy of the repository.'
fi
# Objects may stand in the list of the archive many times, so that few make a file of any size.
# What stands before the percentage, for the name of a disk may have spaces.
room=$(df -Pk "$folder" | awk 'NR == 2 { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+%$/ && $(i - 1) ~ /^[0-9]+$/) { print $(i - 1); exit } }')
wanted=$(awk '{ sum += $2 } END { printf "%.0f\n", sum / 1024 + 3 * 34816 }' archive)
if [ -n "$room" ] && [ "$wanted" -gt "$room" ]; then
  die "the archive of this backup needs $((wanted / 1024)) MB in $folder, of which $((room / 1024)) are free. Set TMPDIR to a folder with more room."
fi
say 'Checking the SHA-256 of every stored object'
if ! (cd "$repository" && $hash -c "$folder/checksums") >checked 2>&1; then
  grep -v ': OK$' checked >&2
  die 'stored objects are missing or damaged, and nothing was restored. Use another backup or another copy of the repository.'
fi

# Puts the plaintext of object $1, of $2 bytes, into the file `plaintext`. The object decoded last is still there.
decoded=
decode() {
  [ "$decoded" != "$1" ] || return 0
  decoded=
  compressed=$repository/objects/${1%"${1#??}"}/$1
  if [ "$scheme" = age ]; then
    age -d -i "$identity" -o compressed "$compressed" || {
      say "error: object $1 does not decrypt; does the identity belong to a recipient of this backup?"
      return 1
    }
    compressed=compressed
  fi
  # Not more than it is said to hold, whatever it unpacks to.
  rm -f broken
  { zstd -d -q -c <"$compressed" || : >broken; } | head -c "$(($2 + 1))" >plaintext
  if [ -f broken ] && [ "$(($(wc -c <plaintext)))" -le "$2" ]; then
    say "error: object $1 does not decompress"
    return 1
  fi
  [ "$(($(wc -c <plaintext)))" -eq "$2" ] || {
    say "error: object $1 does not hold $2 bytes"
    return 1
  }
  decoded=$1
}

# --- What pg_dump leaves out -----------------------------------------------------------------------------------------------------

cat >globals.sql <<'SQL'
CREATE TEMPORARY TABLE input (line text);
\copy pg_temp.input FROM pstdin WITH (FORMAT csv, DELIMITER e'\x02', QUOTE e'\x01')
CREATE TEMPORARY TABLE supplement AS SELECT string_agg(line, '')::jsonb AS s FROM input;
CREATE TEMPORARY TABLE role AS
  SELECT value ->> 'name' AS name, value FROM supplement, jsonb_array_elements(s -> 'roles') AS value;

-- A setting that is a list has to be given as one, or it becomes a list of one element.
CREATE FUNCTION pg_temp.write_setting(setting jsonb) RETURNS text LANGUAGE sql AS $$
  SELECT format('SET %I TO %s', setting ->> 'name', CASE
    WHEN setting ->> 'name' IN ('search_path', 'session_preload_libraries', 'local_preload_libraries', 'temp_tablespaces') THEN
      coalesce((SELECT string_agg(quote_literal(coalesce(replace(part[1], '""', '"'), part[2])), ', ')
                FROM regexp_matches(setting ->> 'value', '"((?:[^"]|"")*)"|([^,[:space:]]+)', 'g') AS part), '''''')
    ELSE quote_literal(setting ->> 'value') END) $$;

SELECT '-- Roles. Their passwords cannot be read by a backup: set them with ALTER ROLE … PASSWORD.';
SELECT concat(format('CREATE ROLE %I', name),
              CASE WHEN (value ->> 'login')::bool THEN ' LOGIN' END, CASE WHEN NOT (value ->> 'inherit')::bool THEN ' NOINHERIT' END,
              CASE WHEN (value ->> 'createRole')::bool THEN ' CREATEROLE' END, CASE WHEN (value ->> 'createDatabase')::bool THEN ' CREATEDB' END,
              CASE WHEN (value ->> 'replication')::bool THEN ' REPLICATION' END, CASE WHEN (value ->> 'bypassRls')::bool THEN ' BYPASSRLS' END,
              CASE WHEN (value ->> 'connectionLimit')::int >= 0 THEN ' CONNECTION LIMIT ' || (value ->> 'connectionLimit')::int END,
              ' VALID UNTIL ' || quote_literal(value ->> 'validUntil'), ';',
              CASE WHEN (value ->> 'superuser')::bool THEN ' -- was a superuser' END)
FROM role WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) ORDER BY name;
SELECT format('COMMENT ON ROLE %I IS %L;', name, value ->> 'comment') FROM role WHERE value ->> 'comment' IS NOT NULL ORDER BY name;
SELECT '-- Memberships.';
SELECT concat(format('GRANT %I TO %I', member ->> 'role', name),
              ' WITH ' || nullif(concat_ws(', ', CASE WHEN (member ->> 'admin')::bool THEN 'ADMIN OPTION' END,
                'INHERIT ' || (member ->> 'inherit')::bool, 'SET ' || (member ->> 'set')::bool), ''), ';')
FROM (SELECT name, jsonb_array_elements(value -> 'memberOf') AS member FROM role) AS membership ORDER BY name, member ->> 'role';
SELECT '-- Settings of roles.';
SELECT format('ALTER ROLE %I %s;', name, pg_temp.write_setting(setting))
FROM (SELECT name, jsonb_array_elements(value -> 'settings') AS setting FROM role) AS own ORDER BY name, setting ->> 'name';
SELECT format('ALTER ROLE %I IN DATABASE %I %s;', name, current_database(), pg_temp.write_setting(setting))
FROM (SELECT name, jsonb_array_elements(value -> 'settingsHere') AS setting FROM role) AS own ORDER BY name, setting ->> 'name';
SELECT '-- The database: after the restore.';
SELECT format('COMMENT ON DATABASE %I IS %L;', current_database(), s #>> '{database,comment}') FROM supplement
WHERE s #>> '{database,comment}' IS NOT NULL;
SELECT format('ALTER DATABASE %I %s;', current_database(), pg_temp.write_setting(setting))
FROM supplement, jsonb_array_elements(s #> '{database,settings}') AS setting ORDER BY setting ->> 'name';
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC;', current_database()) FROM supplement
WHERE jsonb_typeof(s #> '{database,grants}') = 'array';
SELECT format('GRANT %I ON DATABASE %I TO %s%s;', lower(item ->> 'privilege'), current_database(),
              CASE item ->> 'grantee' WHEN 'PUBLIC' THEN 'PUBLIC' ELSE quote_ident(item ->> 'grantee') END,
              CASE WHEN (item ->> 'grantable')::bool THEN ' WITH GRANT OPTION' ELSE '' END)
FROM supplement, jsonb_array_elements(CASE jsonb_typeof(s #> '{database,grants}') WHEN 'array' THEN s #> '{database,grants}' ELSE '[]' END) AS item
-- What an owner may do follows from being it, and the target has its own.
WHERE item ->> 'grantee' <> s #>> '{database,owner}';
SELECT '-- Jobs of pg_cron: after the restore, in the database where pg_cron lives.';
SELECT CASE WHEN job ->> 'name' IS NULL THEN format('SELECT cron.schedule(%L, %L);', job ->> 'schedule', job ->> 'command')
       ELSE format('SELECT cron.schedule(%L, %L, %L);', job ->> 'name', job ->> 'schedule', job ->> 'command') END
       || CASE WHEN (job ->> 'active')::bool THEN '' ELSE ' -- was switched off' END
FROM supplement, jsonb_array_elements(s -> 'cronJobs') AS job;
SQL

# What was added to tables of extensions, and what queues had besides their rows. Tables that are not there hold no rows to guard.
cat >additions.sql <<'SQL'
CREATE TEMPORARY TABLE input (line text);
\copy pg_temp.input FROM pstdin WITH (FORMAT csv, DELIMITER e'\x02', QUOTE e'\x01')
CREATE TEMPORARY TABLE supplement AS SELECT string_agg(line, '')::jsonb AS s FROM input;
CREATE TEMPORARY TABLE queue AS
  SELECT value AS q, format('pgmq.%I', value ->> 'name') AS name FROM supplement, jsonb_array_elements(s -> 'queues') AS value
  WHERE to_regclass(format('pgmq.%I', value ->> 'name')) IS NOT NULL;
CREATE TEMPORARY TABLE addition AS
  SELECT position, value ->> 'sql' AS sql, (value ->> 'guards')::bool AS guards
  FROM supplement, jsonb_array_elements(s -> 'additions') WITH ORDINALITY AS each (value, position),
    to_regclass(format('%I.%I', value ->> 'schema', value ->> 'table')) AS bearer
  WHERE bearer IS NOT NULL AND NOT EXISTS (
    SELECT FROM (SELECT 'policy', polname FROM pg_policy WHERE polrelid = bearer
                 UNION ALL SELECT 'trigger', tgname FROM pg_trigger WHERE tgrelid = bearer) AS there (kind, name)
    WHERE value ->> 'what' = format('%s %s.%s %s', kind, value ->> 'schema', value ->> 'table', name));
-- psql itself would read commands of its own in a statement. Asked for by \gexec, it reaches the server alone.
\o guards.sql
SELECT format(E'SELECT %L\n\\gexec', sql) FROM addition WHERE guards ORDER BY position;
\o others.sql
SELECT format(E'SELECT %L\n\\gexec', sql) FROM addition WHERE NOT guards ORDER BY position;
SELECT format('ALTER TABLE %s OWNER TO %I;', name, q ->> 'owner') FROM queue WHERE name <> 'pgmq.meta';
SELECT format('SELECT setval(pg_get_serial_sequence(%L, %L), %L, %L);', name, 'msg_id', q #>> '{numbered,lastValue}', q #>> '{numbered,isCalled}')
FROM queue WHERE jsonb_typeof(q -> 'numbered') = 'object';
SQL

if [ -n "$globals" ]; then
  while read -r name size; do
    decode "$name" "$size" || exit 1
    cat plaintext
  done <supplement >supplement.json
  ask -f globals.sql <supplement.json
  exit 0
fi

# --- Definitions ---------------------------------------------------------------------------------------------------------------

while read -r name size; do
  decode "$name" "$size" || exit 1
  cat plaintext
done <archive >archive.dump

# What the server refuses is shown and left out, as by pg_restore alone: one index is no reason to have no table.
refused=
restore_entries() {
  if pg_restore --verbose --no-password --dbname="$target" --use-list="$1" archive.dump 2>messages; then return; fi
  # Its words about each refusal, without the statement, which may hold somebody's keys.
  awk '/^pg_restore: / { shown = /^pg_restore: (from TOC entry|error:|warning:)/ } /^Command was: / { shown = 0 } shown' messages >&2
  grep -q '^pg_restore: warning: errors ignored on restore: ' messages ||
    die 'pg_restore failed. The target is incomplete: drop the database, mend the cause, and start again.'
  refused=yes
}

# Definitions come before the rows. Grants wait until after them, because they may take away even from an owner the right to insert.
# All else is left to pg_restore's own order.
pg_restore --list archive.dump >contents
pg_restore --section=pre-data --list archive.dump | sed -E '/^[0-9]+; [0-9]+ [0-9]+ (DEFAULT )?ACL /d' >definitions

# A schema that is there already, such as public, is not created again. Candidates are entries `SCHEMA - name owner` of an existing
# schema; of those, an entry that only changes the owner is kept.
awk '
  FILENAME == "schemas" { schemas[$0]; next }
  FILENAME == "roles" { roles[$0]; next }
  match($0, /^[0-9]+; [0-9]+ [0-9]+ SCHEMA - /) {
    rest = substr($0, RLENGTH + 1)
    for (role in roles) {
      end = length(rest) - length(role)
      if (end > 1 && substr(rest, end) == " " role && substr(rest, 1, end - 1) in schemas) { print; next }
    }
  }' schemas roles definitions >candidates
: >skipped
while read -r entry; do
  printf '%s\n' "$entry" >one
  pg_restore --use-list=one -f one.sql archive.dump
  if grep -q '^CREATE SCHEMA ' one.sql; then printf '%s\n' "$entry" >>skipped; fi
done <candidates
# Entries are known by their first word, a number and a semicolon.
awk 'FILENAME == "skipped" { skipped[$1]; next } !($1 in skipped)' skipped definitions >before-rows
awk 'FILENAME == "definitions" { done[$1]; next } !($1 in done)' definitions contents >remaining
# pg_restore grants, refreshes and makes event triggers last. Nothing is granted before row security is known to be there.
last='^[0-9]+; [0-9]+ [0-9]+ ((DEFAULT )?ACL|MATERIALIZED VIEW DATA|EVENT TRIGGER|COMMENT - EVENT TRIGGER) '
grep -Ev "$last" remaining >after-rows || true
grep -E "$last" remaining >grants || true

say 'Creating definitions'
restore_entries before-rows

if [ -s queues.sql ]; then
  say 'Creating queues'
  ask -v ON_ERROR_STOP=0 -f session.sql -f queues.sql >/dev/null
fi

# --- Rows ----------------------------------------------------------------------------------------------------------------------
# One psql takes the rows of all tables, as it takes a plain dump: a COPY statement, its text, and `\.`. In that text no row can
# be `\.`, because COPY doubles every backslash. The transaction keeps a range from arriving in part.

write_rows() {
  cat session.sql settings.sql
  printf 'SET synchronous_commit = off;\n'
  done=0
  shown=-1
  while read -r word rest; do
    case $word in
      copy) printf 'BEGIN;\n%s\n' "$rest" || return 1 ;;
      piece)
        # Four words without special characters.
        # shellcheck disable=SC2086
        set -- $rest
        decode "$1" "$2" || return 1
        if [ "$4" -eq "$2" ]; then cat plaintext; else tail -c "+$(($3 + 1))" plaintext | head -c "$4"; fi
        done=$((done + $4))
        if [ $((done * 100 / bytes)) -ne "$shown" ]; then
          shown=$((done * 100 / bytes))
          say "  $shown% of $((bytes / 1048576)) MB of rows"
        fi
        ;;
      end) printf '\\.\nCOMMIT;\n' ;;
    esac
  done <rows
  : >all-written
}

say "Loading $rows rows"
# A range that is refused is missed when rows are counted; the others come all the same.
write_rows | ask -v ON_ERROR_STOP=0 -f - >/dev/null ||
  die 'the connection to the target was lost. It is incomplete: drop the database, mend the cause, and start again.'
[ -f all-written ] || die 'not all rows could be read. The target is incomplete: drop the database, mend the cause, and start again.'

# --- The rest ------------------------------------------------------------------------------------------------------------------

say 'Setting sequences, loading large objects, creating indexes, constraints, triggers and policies'
: >messages
restore_entries after-rows
if grep -Eq '^pg_restore: from TOC entry [0-9]+; [0-9]+ [0-9]+ (ROW SECURITY|POLICY) ' messages; then
  die 'row security, or a policy, could not be made (see above), so nothing was granted to anybody. Mend the cause and start again.'
fi
while read -r name size; do
  decode "$name" "$size" || exit 1
  cat plaintext
done <supplement >supplement.json
ask -f additions.sql <supplement.json >/dev/null
ask -f session.sql -f guards.sql >/dev/null ||
  die 'row security, or a policy, of a table of an extension could not be made (see above), so nothing was granted to anybody. Mend the cause and start again.'
ask -v ON_ERROR_STOP=0 -f session.sql -f others.sql >/dev/null 2>errors
if [ -s errors ]; then
  cat errors >&2
  refused=yes
fi
say 'Granting, refreshing'
restore_entries grants
say 'Analyzing'
# By name, because ANALYZE alone goes to the servers of foreign tables, too. Statistics are no content: an error is shown and passed over.
cat >analyze.sql <<'SQL'
SELECT format('ANALYZE %I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND (c.relkind IN ('r', 'm') OR c.relkind = 'p' AND NOT EXISTS (
    SELECT FROM pg_partition_tree(c.oid) AS member JOIN pg_class f ON f.oid = member.relid AND f.relkind = 'f'))
\gexec
SQL
ask -v ON_ERROR_STOP=0 -f session.sql -f analyze.sql >/dev/null

say 'Counting rows'
ask -f session.sql -f counts.sql >all-counts || die 'the rows could not be counted'
# The session's settings print lines of their own.
grep -E '^(equal|DIFFERENT)	' all-counts >counts || [ "$tables" -eq 0 ] || die 'the rows could not be counted'
cat counts
if [ -s not-carried ]; then
  say 'Not in this backup:'
  sed 's/^/  /' not-carried >&2
fi
if grep -q '^DIFFERENT' counts; then die 'tables have other numbers of rows than the backup recorded; see above'; fi
if [ -n "$refused" ]; then die 'the server refused what is shown above; everything else is restored'; fi
say "Restored backup $id: $tables tables with $rows rows, each as the backup recorded"
