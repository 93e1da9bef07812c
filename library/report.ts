/** `report`: results as one HTML page, and each chart as Vega-Lite JSON, SVG and PNG. */
import { readDocuments } from "../reports/read-documents.ts";
import { type ReportFiles, type ReportOptions, writeReport } from "../reports/write-report.ts";
import { inspect } from "./report-detail.ts";
import { whatIfAsset } from "./what-if.ts";

/**
 * Writes them into the folder of `sweep` or `validate`, and says where. It simulates one run of the decision's
 * configuration again to look into it, and puts the simulator into the page. Throws Fault("not-found") without
 * results.
 */
export async function report(directory: string, options: ReportOptions = {}): Promise<ReportFiles> {
  const documents = options.documents ?? (await readDocuments(directory));
  const inspected = await inspect(directory, documents);
  return writeReport(directory, { ...inspected, whatIf: whatIfAsset(), ...options, documents });
}
