/**
 * Service times that other tools measured, read from their files. A file that is cut off, mixes
 * models or devices, or measured something else than service is refused, by line. `foreign/` has a
 * reader for each tool's formats.
 */
import { loadGen } from "./foreign/loadgen.ts";
import { modelAnalyzerCsv } from "./foreign/model-analyzer.ts";
import { nexus } from "./foreign/nexus.ts";
import { perfAnalyzerCsv, perfAnalyzerJson } from "./foreign/perf-analyzer.ts";
import { plainCsv } from "./foreign/plain-csv.ts";
import {
  FOREIGN_FORMATS,
  type ForeignFormat,
  type ForeignReading,
  type ForeignTimes,
  refused,
} from "./foreign/times.ts";

/** Throws Fault("invalid-input") with every issue, its line and what was expected. */
export function readForeignTimes(reading: ForeignReading): ForeignTimes {
  const format = reading.format ?? detect(reading);
  const lines = reading.text.split(/\r?\n/);
  switch (format) {
    case "perf-analyzer-csv":
      return perfAnalyzerCsv(reading, lines);
    case "perf-analyzer-json":
      return perfAnalyzerJson(reading);
    case "model-analyzer-csv":
      return modelAnalyzerCsv(reading, lines);
    case "loadgen":
      return loadGen(reading, lines);
    case "nexus":
      return nexus(reading, lines);
    case "csv":
      return plainCsv(reading, lines);
  }
}

function detect({ file, text, csv }: ForeignReading): ForeignFormat {
  if (csv !== undefined) return "csv";
  if (/^Concurrency,Inferences\/Second,|^Request Rate,Inferences\/Second,/m.test(text)) {
    return "perf-analyzer-csv";
  }
  if (/^\s*\{[\s\S]*"experiments"\s*:/.test(text)) return "perf-analyzer-json";
  if (/^Model,.*\bBatch\b.*\bConcurrency\b/m.test(text)) return "model-analyzer-csv";
  if (/^MLPerf Results Summary/m.test(text) || text.includes(":::MLLOG")) return "loadgen";
  if (/^Forward latency\r?\nbatch,/m.test(text)) return "nexus";
  throw refused(file, [
    {
      path: "",
      message: "the format is not known",
      line: 1,
      hint: `known: ${FOREIGN_FORMATS.join(", ")}; of another CSV file name the columns: --columns time=latency,batch=size --unit ms`,
    },
  ]);
}
