import { functions, tables, version } from "./sql.generated.js";
import { toSchemaError } from "./postgres-errors.js";

/** Where everything lies. A schema is a namespace: who shares it shares the locks. */
export type SchemaNames = { readonly tables: string; readonly functions: string };

/**
 * The functions of each version of the package have a schema of their own, beside one schema of tables, so that old
 * and new processes work on one database while they are being replaced.
 */
export function schemaNames(schema: string): SchemaNames {
  return { tables: schema, functions: `${schema}_${version}` };
}

/** A lock's number for all who make schemas: any that nobody else is likely to use. */
const MAKING = 7_710_579_948_796;

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

const quoteText = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** What makes everything, safe to run twice and at once; in one transaction. */
export function migrationText(names: SchemaNames, grantTo?: string): string {
  const [own, verbs] = [quoteName(names.tables), quoteName(names.functions)];
  const make = [names.tables, names.functions].map(
    (name) =>
      `  IF to_regnamespace(${quoteText(quoteName(name))}) IS NULL THEN CREATE SCHEMA ${quoteName(name)}; END IF;`,
  );
  return [
    "BEGIN;",
    `SELECT pg_advisory_xact_lock(${MAKING});`,
    `DO $$ BEGIN\n${make.join("\n")}\nEND $$;`,
    `SET LOCAL search_path = ${own}, pg_temp;`,
    tables,
    `SET LOCAL search_path = ${verbs}, ${own}, pg_temp;`,
    functions,
    ...(grantTo === undefined ? [] : grants(own, verbs, quoteName(grantTo))),
    "COMMIT;",
    "",
  ].join("\n");
}

function grants(own: string, verbs: string, role: string): string[] {
  return [
    `GRANT USAGE ON SCHEMA ${own}, ${verbs} TO ${role};`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${own} TO ${role};`,
    `GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${verbs} TO ${role};`,
  ];
}

type Ask = (text: string, values?: unknown[]) => Promise<(string | null)[][]>;

/** Asks for a name that is made last, in the same transaction as all the others. */
async function isThere(ask: Ask, names: SchemaNames): Promise<boolean> {
  const text =
    "SELECT count(*) FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace " +
    "WHERE n.nspname = $1 AND p.proname = 'tombstone'";
  return (await ask(text, [names.functions]))[0]?.[0] !== "0";
}

/** Makes what is missing. Of many who come at once one makes it, and the others wait for that. */
export async function ensureSchema(ask: Ask, names: SchemaNames): Promise<void> {
  if (await isThere(ask, names)) return;
  try {
    await ask("BEGIN");
    await ask(`SELECT pg_advisory_xact_lock(${MAKING})`);
    const isMade = await isThere(ask, names);
    await ask("COMMIT");
    if (!isMade) await ask(migrationText(names));
  } catch (cause) {
    throw toSchemaError(cause, names.tables);
  }
}
