/** `report`: results as one HTML page, and each chart as Vega-Lite JSON, SVG and PNG. */
import { type ReportFiles, type ReportOptions, writeReport } from "../reports/write-report.ts";
import { whatIfAsset } from "./what-if.ts";

/**
 * Writes them into the folder of `sweep` or `validate`, and says where. The page has the simulator inside
 * ("What if"), where the folder has its provenance. Throws Fault("not-found") without results.
 */
export function report(directory: string, options: ReportOptions = {}): Promise<ReportFiles> {
  return writeReport(directory, { whatIf: whatIfAsset(), ...options });
}
