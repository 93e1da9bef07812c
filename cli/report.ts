/** `tandem report`: charts and tables of a results folder as one HTML file. */
import { writeReport } from "../reports/write-report.ts";

export interface ReportArguments {
  readonly directory: string;
  readonly json: boolean;
}

export async function report({ directory, json }: ReportArguments): Promise<void> {
  const files = await writeReport(directory);
  const document = { schema: "tandem/report@1", ...files };
  process.stdout.write(`${json ? JSON.stringify(document) : files.html}\n`);
}
