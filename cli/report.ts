/** `tandem report`: charts and tables of a results folder as one HTML file. */
import { whatIfAsset } from "../library/what-if.ts";
import { readDocuments } from "../reports/read-documents.ts";
import { writeReport } from "../reports/write-report.ts";
import { detailsOf } from "./report-detail.ts";

export interface ReportArguments {
  readonly directory: string;
  readonly json: boolean;
}

export async function report({ directory, json }: ReportArguments): Promise<void> {
  const documents = await readDocuments(directory);
  const details = await detailsOf(directory, documents);
  const files = await writeReport(directory, { documents, details, whatIf: whatIfAsset() });
  const document = { schema: "tandem/report@1", ...files };
  process.stdout.write(`${json ? JSON.stringify(document) : files.html}\n`);
}
