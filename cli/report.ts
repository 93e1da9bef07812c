/** `tandem report`: charts and tables of a results folder as one HTML file. */
import { writeReport } from "../reports/write-report.ts";

export async function report(directory: string): Promise<void> {
  const files = await writeReport(directory);
  process.stdout.write(`${files.html}\n`);
}
