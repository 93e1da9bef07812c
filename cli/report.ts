/** `tandem report`: charts and tables of a results folder as one HTML file. */
import { type ReportFiles, report as write } from "../library/index.ts";
import { print } from "./command-line.ts";

export interface ReportArguments {
  readonly directory: string;
  readonly json: boolean;
}

export async function report({ directory, json }: ReportArguments): Promise<ReportFiles> {
  const files = await write(directory);
  print(json, { schema: "tandem/report@1", ...files }, files.html);
  return files;
}
