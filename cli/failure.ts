/** How a failure ends the command: what is printed on stderr, and the exit code. */
import { withSourcePlaces } from "../bundle/source-places.ts";
import { FAULTS, Fault, type Issue } from "../core/fault.ts";

const REFUSALS =
  /^(EACCES|EDQUOT|EEXIST|EFBIG|EIO|EISDIR|EMFILE|ENAMETOOLONG|ENOENT|ENOSPC|ENOTDIR|EPERM|EROFS)$/;

/** What the system refuses, such as room on a full disk, is no bug. */
function known(error: unknown): unknown {
  const code = error instanceof Error && "syscall" in error && "code" in error ? error.code : "";
  if (!REFUSALS.test(String(code))) return error;
  const hint = "what is finished is kept: once there is room, or the right, run the command again";
  return new Fault("usage", (error as Error).message, { hint, cause: error });
}

export function exitCodeOf(thrown: unknown): number {
  const error = known(thrown);
  return error instanceof Fault ? FAULTS[error.code].exit : 1;
}

export function printFailure(thrown: unknown): void {
  const error = known(thrown);
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
