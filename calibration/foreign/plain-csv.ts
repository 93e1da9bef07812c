/** CSV files with columns that the caller names. */

import { meanOf } from "../../engine/statistics/estimate.ts";
import { TableReader } from "./table.ts";
import {
  ascending,
  type ForeignBatch,
  type ForeignReading,
  type ForeignTimes,
  refused,
  type Spread,
} from "./times.ts";

const US_PER = { s: 1e6, ms: 1e3, us: 1, ns: 1e-3 } as const;

/** One row for each call, or one for each batch size with a mean and perhaps a standard deviation. */
export function plainCsv(
  { file, csv, batch = 1 }: ForeignReading,
  lines: readonly string[],
): ForeignTimes {
  if (csv === undefined) {
    const message = "a CSV file of your own needs its columns";
    const hint = "for example --columns time=latency,batch=size --unit ms";
    throw refused(file, [{ path: "", message, hint, line: 1 }]);
  }
  const table = new TableReader(file, lines);
  const named = [csv.time, csv.batch, csv.deviation].filter((name) => name !== undefined);
  table.requireColumns(named);
  const usPerUnit = US_PER[csv.unit];
  const sizes = new Map<number, { us: number[]; deviationUs: number | null }>();
  for (const row of table.rows) {
    const size = csv.batch === undefined ? batch : table.number(row, csv.batch, 1);
    const time = table.number(row, csv.time, Number.MIN_VALUE);
    const deviation = csv.deviation === undefined ? null : table.number(row, csv.deviation, 0);
    if (size === null || time === null) continue;
    const of = sizes.get(size) ?? { us: [], deviationUs: null };
    of.us.push(time * usPerUnit);
    if (deviation !== null) of.deviationUs = deviation * usPerUnit;
    sizes.set(size, of);
    if (csv.deviation !== undefined && of.us.length > 1) {
      table.complain(row.line, csv.deviation, `batch size ${size} has two rows of means`);
    }
  }
  if (table.rows.length === 0) table.complain(2, "", "there are no rows below the header");
  table.throwIfWrong();
  const batches = [...sizes].map(([size, { us, deviationUs }]): ForeignBatch => {
    const meanUs = meanOf(us);
    if (deviationUs !== null) {
      return { batch: size, samples: null, meanUs, spread: { kind: "deviation", us: deviationUs } };
    }
    const spread: Spread = us.length > 1 ? { kind: "samples", us } : { kind: "none" };
    return { batch: size, samples: us.length, meanUs, spread };
  });
  return { format: "csv", model: null, device: null, notes: [], batches: ascending(file, batches) };
}
