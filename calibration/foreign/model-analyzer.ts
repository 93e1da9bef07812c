/** Triton Model Analyzer: metrics-model-inference.csv. */

import { percentileColumns, requireOne, TableReader } from "./table.ts";
import { ascending, type ForeignBatch, type ForeignReading, type ForeignTimes } from "./times.ts";

const THROUGHPUT = "Throughput (infer/sec)";
const AVERAGE = "Avg Latency (ms)";

/** Reads the row with concurrency 1 of each batch size; the mean is the average latency, else follows from the throughput. */
export function modelAnalyzerCsv(reading: ForeignReading, lines: readonly string[]): ForeignTimes {
  const at = lines.findIndex((line) => line.startsWith("Model,") && line.includes(THROUGHPUT));
  const table = new TableReader(reading.file, lines, Math.max(at, 0));
  table.requireColumns(["Model", "Batch", "Concurrency", THROUGHPUT]);
  const alone = table.rows.filter(({ cells }) => cells.Concurrency === "1");
  if (alone.length === 0) {
    table.complain(at + 2, "Concurrency", "no row has concurrency 1: at others requests wait");
  }
  requireOne(table, alone, ["Model", "Model Config Path"]);
  const averaged = table.header.includes(AVERAGE);
  const batches = alone.flatMap((row): ForeignBatch[] => {
    const batch = table.number(row, "Batch", 1);
    const figure = table.number(row, averaged ? AVERAGE : THROUGHPUT, Number.MIN_VALUE);
    if (batch === null || figure === null) return [];
    const meanUs = averaged ? figure * 1000 : (batch / figure) * 1e6;
    const points = percentileColumns(table, row, /^p([\d.]+) Latency \(ms\)$/, 1000);
    return [{ batch, samples: null, meanUs, spread: { kind: "percentiles", points } }];
  });
  table.throwIfWrong();
  return {
    format: "model-analyzer-csv",
    model: alone[0].cells.Model,
    device: null,
    batches: ascending(reading.file, batches),
    notes: ["times are latencies that clients saw at concurrency 1"],
  };
}
