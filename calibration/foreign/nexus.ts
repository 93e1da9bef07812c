/** Nexus: profiles of its `profiler`. */

import { TableReader } from "./table.ts";
import { ascending, type ForeignBatch, type ForeignReading, type ForeignTimes } from "./times.ts";

export function nexus({ file }: ForeignReading, lines: readonly string[]): ForeignTimes {
  const at = lines.indexOf("Forward latency") + 1;
  const after = lines.findIndex((line, i) => i > at && !/^\d/.test(line));
  const table = new TableReader(file, lines.slice(0, after < 0 ? lines.length : after), at);
  table.requireColumns(["batch", "latency(us)", "std(us)"]);
  if (!lines.some((line) => line.startsWith("Postprocess latency"))) {
    table.complain(
      lines.length,
      "",
      "the part `Postprocess latency` is missing: the file is cut off",
    );
  }
  const batches = table.rows.flatMap((row): ForeignBatch[] => {
    const batch = table.number(row, "batch", 1);
    const meanUs = table.number(row, "latency(us)", Number.MIN_VALUE);
    const us = table.number(row, "std(us)", 0);
    if (batch === null || meanUs === null || us === null) return [];
    return [{ batch, samples: null, meanUs, spread: { kind: "deviation", us } }];
  });
  table.throwIfWrong();
  return {
    format: "nexus",
    model: lines[0],
    device: lines[1],
    batches: ascending(file, batches),
    notes: ["times are the forward pass alone, without pre- and postprocessing"],
  };
}
