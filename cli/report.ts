/** `tandem report`: charts and tables of a results folder as one HTML file. */
import { type ReportFiles, report as write } from "../library/index.ts";

export interface ReportArguments {
  readonly directory: string;
  readonly json: boolean;
}

export async function report({ directory, json }: ReportArguments): Promise<ReportFiles> {
  const files = await write(directory);
  const document = { schema: "tandem/report@1", ...files };
  process.stdout.write(`${json ? JSON.stringify(document) : files.html}\n`);
  return files;
}
