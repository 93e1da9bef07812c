/** `tandem report`: charts and tables of a results folder as one HTML file. */
import { report as writeReport } from "../library/report.ts";
import { readDocuments } from "../reports/read-documents.ts";
import { detailsOf } from "./report-detail.ts";

export interface ReportArguments {
  readonly directory: string;
  readonly json: boolean;
}

export async function report({ directory, json }: ReportArguments): Promise<void> {
  const documents = await readDocuments(directory);
  const details = await detailsOf(directory, documents);
  const files = await writeReport(directory, { documents, details });
  const document = { schema: "tandem/report@1", ...files };
  process.stdout.write(`${json ? JSON.stringify(document) : files.html}\n`);
}
