/** `query`: SQL over the results in a folder. */
import { type Cell, type QueryResult, queryResults, SCHEMA_SQL } from "../sweep/query.ts";

export type Row = Readonly<Record<string, Cell>>;

/**
 * The rows of one SELECT over a folder of `sweep`; without SQL, all tables and columns. Throws
 * Fault("not-found") for a folder without results, Fault("usage") for SQL that fails.
 */
export async function query(directory: string, sql: string = SCHEMA_SQL): Promise<readonly Row[]> {
  const result = await queryResults(directory, sql);
  try {
    const rows: Row[] = [];
    for await (const row of rowsOf(result)) rows.push(row);
    return rows;
  } finally {
    result.close();
  }
}

/** Row by row, by the names of the columns, read while they are asked for. */
export async function* rowsOf({ columns, blocks }: QueryResult): AsyncGenerator<Row, void, void> {
  for await (const block of blocks) {
    for (const row of block) yield Object.fromEntries(columns.map(({ name }, i) => [name, row[i]]));
  }
}
