import type { Definition } from '../format/supplement.ts';
import type { SplitDetail } from '../postgres/catalog/printed-text.ts';
import { quoteIdentifier, quoteLiteral, quoteQualified } from '../postgres/identifier.ts';

/** Statements that make a server parse a text and print it again */
export interface Reading {
  /** SQL for an empty copy of the user's table, of the same name in pg_temp; `SELECT` when not needed */
  readonly setup: string;
  /** SQL that creates an object with the text */
  readonly make: string;
  /** SQL that returns one row with the printed text */
  readonly print: string;
}

const nothing = 'SELECT';

/** The name of the object that holds a text, where its name does not matter */
const made = 'supabase_backup_reading';

/**
 * Writes the statements for one text of a definition.
 *
 * @param line the definition of the source
 * @param detail its detail, split into parts and texts
 * @param at the index of the text
 * @returns undefined when no statement is known for this kind of text
 */
export function writeReading(line: Definition, detail: SplitDetail, at: number): Reading | undefined {
  const text = detail.texts[at] ?? '';
  const before = detail.parts[at] ?? '';
  const { schema, relation, name } = line;
  switch (line.kind) {
    case 'table':
      return readPartitionKey(quoteQualified(schema ?? '', name), text);
    case 'view':
    case 'materialized view':
      return readQuery(text);
    case 'function':
      return readOfFunction(name, detail, at);
    case 'type':
      return readOfDomain(name, detail.parts[0] ?? '', text);
    case 'statistics object':
      return relation === null ? undefined : readStatistics(new Clone(relation, lastName(relation)), text);
  }
  if (schema === null || relation === null) return undefined;
  const clone = new Clone(quoteQualified(schema, relation), quoteIdentifier(relation));
  switch (line.kind) {
    case 'column':
      return before.endsWith('default ')
        ? readDefault(clone, name, text)
        : readGenerated(clone, name, before, text);
    case 'constraint':
      return readConstraint(clone, name, text);
    case 'index':
      return readIndex(clone, before.startsWith('CREATE UNIQUE '), text);
    case 'policy':
    case 'publication table':
      return readCondition(clone, text);
    case 'trigger':
      return readTrigger(clone, text);
    case 'rule':
      return readRule(clone, before, text);
    default:
      return undefined;
  }
}

/** An empty table in pg_temp with the columns and the name of the user's table */
class Clone {
  readonly setup: string;
  /** Qualified and quoted for a statement */
  readonly name: string;
  /** An SQL expression for the table's oid */
  readonly oid: string;

  /**
   * @param original name of the user's table, qualified and quoted
   * @param name the same name, quoted and without its schema
   */
  constructor(original: string, name: string) {
    this.name = `pg_temp.${name}`;
    this.setup = `CREATE TABLE ${this.name} (LIKE ${original})`;
    this.oid = oidOf(this.name);
  }

  read(make: string, print: string): Reading {
    return { setup: this.setup, make, print };
  }
}

function oidOf(relation: string): string {
  return `${quoteLiteral(relation)}::regclass`;
}

/** Returns the last part of a qualified name as a server prints it, quoted as it is: `"T"` of `app."T"`. */
function lastName(qualified: string): string {
  return /(?:"(?:[^"]|"")*"|[^".]+)$/.exec(qualified)?.[0] ?? qualified;
}

function readDefault(clone: Clone, column: string, text: string): Reading {
  return clone.read(
    `ALTER TABLE ${clone.name} ALTER COLUMN ${quoteIdentifier(column)} SET DEFAULT ${text}`,
    `SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = ${clone.oid}`,
  );
}

/** @param before the detail before the text: `integer; collate "C"; not null; generated ` */
function readGenerated(clone: Clone, column: string, before: string, text: string): Reading {
  const [type = ''] = before.split('; ', 1);
  const collation = /; (collate .*?);/.exec(before)?.[1] ?? '';
  const kept = before.endsWith('virtual ') ? 'VIRTUAL' : 'STORED';
  const name = quoteIdentifier(column);
  return clone.read(
    `ALTER TABLE ${clone.name} DROP COLUMN ${name}, ADD COLUMN ${name} ${type} ${collation} GENERATED ALWAYS AS (${text}) ${kept}`,
    `SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = ${clone.oid}`,
  );
}

function readConstraint(clone: Clone, name: string, text: string): Reading {
  return clone.read(
    `ALTER TABLE ${clone.name} ADD CONSTRAINT ${quoteIdentifier(name)} ${text}`,
    `SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = ${clone.oid} AND conname = ${quoteLiteral(name)}`,
  );
}

/** @param text the definition from USING on */
function readIndex(clone: Clone, unique: boolean, text: string): Reading {
  // Tables and indexes share one namespace.
  const index = clone.name.endsWith(`"${made}"`) ? `${made}_index` : made;
  return clone.read(
    `CREATE ${unique ? 'UNIQUE ' : ''}INDEX ${index} ON ${clone.name} ${text}`,
    `SELECT substr(d, strpos(d, ' USING ') + 1) FROM pg_get_indexdef(${oidOf(`pg_temp.${index}`)}) AS d`,
  );
}

/** Reads a condition as a policy, which accepts any condition on a row. */
function readCondition(clone: Clone, text: string): Reading {
  return clone.read(
    `CREATE POLICY ${made} ON ${clone.name} USING (${text})`,
    `SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = ${clone.oid}`,
  );
}

/**
 * Reads a WHEN condition in a trigger AFTER UPDATE FOR EACH ROW, which has both OLD and NEW with all columns.
 */
function readTrigger(clone: Clone, text: string): Reading {
  return clone.read(
    `CREATE TRIGGER ${made} AFTER UPDATE ON ${clone.name} FOR EACH ROW ${text} EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()`,
    `SELECT substring(pg_get_triggerdef(oid) FROM ' FOR EACH ROW (WHEN .*) EXECUTE FUNCTION suppress_') FROM pg_trigger WHERE tgrelid = ${clone.oid}`,
  );
}

/**
 * @param before the detail before the text: `on delete instead; …`
 * @param text the rule from behind the relation's name on
 */
function readRule(clone: Clone, before: string, text: string): Reading | undefined {
  const event = /^on (select|update|insert|delete) /.exec(before)?.[1]?.toUpperCase();
  if (event === undefined) return undefined;
  const relation = clone.name.slice('pg_temp.'.length);
  return clone.read(
    `CREATE RULE ${made} AS ON ${event} TO ${clone.name}${text}`,
    `SELECT substr(d, length(quote_ident(c.relname)) + 1)
     FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class CROSS JOIN regexp_replace(pg_get_ruledef(r.oid),
       '^CREATE RULE ${made} AS[[:space:]]+ON ${event} TO (pg_temp[_0-9]*[.])?', '') AS d
     WHERE r.ev_class = ${oidOf(`pg_temp.${relation}`)} AND r.rulename = '${made}'`,
  );
}

function readStatistics(clone: Clone, text: string): Reading {
  return clone.read(
    `CREATE STATISTICS pg_temp.${made}${text} FROM ${clone.name}`,
    `SELECT substring(pg_get_statisticsobjdef(oid) FROM '${made}(.*) FROM ') FROM pg_statistic_ext WHERE stxrelid = ${clone.oid}`,
  );
}

/** @param original name of the table, qualified and quoted */
function readPartitionKey(original: string, text: string): Reading {
  return {
    setup: nothing,
    make: `CREATE TABLE pg_temp.${made} (LIKE ${original}) PARTITION BY ${text}`,
    print: `SELECT pg_get_partkeydef(${oidOf(`pg_temp.${made}`)})`,
  };
}

function readQuery(text: string): Reading {
  return {
    setup: nothing,
    make: `CREATE TEMPORARY VIEW ${made} AS ${text}`,
    print: `SELECT pg_get_viewdef(${oidOf(`pg_temp.${made}`)})`,
  };
}

/** @param signature the function as `name(types)` */
function readOfFunction(signature: string, { parts, texts }: SplitDetail, at: number): Reading {
  const name = /^(.*)\(.*?\)$/s.exec(signature)?.[1] ?? signature;
  const isArguments = (index: number) => parts[index]?.endsWith('arguments ') === true;
  const list = texts.find((_, index) => isArguments(index)) ?? '';
  const rest = parts.join('');
  const result = /; (returns .*?); language /s.exec(rest)?.[1] ?? '';
  const kind = rest.startsWith('procedure;') ? 'PROCEDURE' : 'FUNCTION';
  const body = isArguments(at) ? `AS ''` : (texts[at] ?? '');
  const print = isArguments(at) ? 'pg_get_function_arguments' : 'pg_get_function_sqlbody';
  return {
    setup: nothing,
    make: `CREATE ${kind} pg_temp.${quoteIdentifier(name)}(${list}) ${result} LANGUAGE sql ${body}`,
    print: `SELECT ${print}(oid) FROM pg_proc WHERE pronamespace = pg_my_temp_schema() AND proname = ${quoteLiteral(name)}`,
  };
}

/** @param before the detail before the first text: `domain over text; collate "C"; not null; …` */
function readOfDomain(name: string, before: string, text: string): Reading {
  const type = `pg_temp.${quoteIdentifier(name)}`;
  const base = /^domain over (.*?)(?:; |$)/s.exec(before)?.[1] ?? '';
  const collation = /; (collate .*?)(?:; |$)/s.exec(before)?.[1] ?? '';
  const domain = `CREATE DOMAIN ${type} AS ${base} ${collation}`;
  const oid = `${quoteLiteral(type)}::regtype`;
  if (!text.startsWith('CHECK ')) {
    return {
      setup: nothing,
      make: `${domain} DEFAULT ${text}`,
      print: `SELECT typdefault FROM pg_type WHERE oid = ${oid}`,
    };
  }
  return {
    setup: nothing,
    make: `${domain}; ALTER DOMAIN ${type} ADD CONSTRAINT ${made} ${text}`,
    print: `SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contypid = ${oid}`,
  };
}
