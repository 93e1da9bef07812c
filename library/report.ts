/** `report`: results as one HTML page, and each chart as Vega-Lite JSON, SVG and PNG. */
import { type ReportFiles, type ReportOptions, writeReport } from "../reports/write-report.ts";

/** Writes them into the folder of `sweep` or `validate`, and says where. Throws Fault("not-found") without results. */
export function report(directory: string, options: ReportOptions = {}): Promise<ReportFiles> {
  return writeReport(directory, options);
}
