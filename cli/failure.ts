/** How a failure ends the command: what is printed on stderr, and the exit code. */
import { withSourcePlaces } from "../bundle/source-places.ts";
import { FAULTS, Fault, type Issue } from "../core/fault.ts";

export function exitCodeOf(error: unknown): number {
  return error instanceof Fault ? FAULTS[error.code].exit : 1;
}

export function printFailure(error: unknown): void {
  if (!(error instanceof Fault)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`tandem: this is a bug\n${withSourcePlaces(text)}\n`);
    return;
  }
  process.stderr.write(`tandem: ${error.message}\n`);
  for (const issue of error.issues) process.stderr.write(`  ${issueLine(issue)}\n`);
  if (error.hint !== undefined) process.stderr.write(`  hint: ${error.hint}\n`);
}

function issueLine({ file, line, path, message, hint }: Issue): string {
  const place = [file, line].filter((part) => part !== undefined).join(":");
  const where = [place, path].filter((part) => part !== "").join(" ");
  return `${where}: ${message}${hint === undefined ? "" : ` (${hint})`}`;
}
