/** `query`: SQL over the results in a folder. */
import { type Cell, openQuery } from "../sweep/query.ts";

export type Row = Readonly<Record<string, Cell>>;

/**
 * The rows of one SELECT over a folder of `sweep`; without SQL, all tables and columns. Throws
 * Fault("not-found") for a folder without results, Fault("usage") for SQL that fails.
 */
export async function query(directory: string, sql?: string): Promise<readonly Row[]> {
  const { columns, blocks, close } = await openQuery(directory, sql);
  try {
    const rows: Row[] = [];
    for await (const block of blocks) {
      for (const row of block)
        rows.push(Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])));
    }
    return rows;
  } finally {
    close();
  }
}
