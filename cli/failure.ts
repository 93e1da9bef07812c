/** How a failure ends the command: what is printed on stderr, and the exit code. */
import { styleText } from "node:util";
import { withSourcePlaces } from "../build/source-places.ts";
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

const TO_STDERR = { stream: process.stderr };

export function exitCodeOf(thrown: unknown): number {
  const error = known(thrown);
  return error instanceof Fault ? FAULTS[error.code].exit : 1;
}

export function printFailure(thrown: unknown): void {
  const error = known(thrown);
  if (!(error instanceof Fault)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${red("tandem: this is a bug")}\n${withSourcePlaces(text)}\n`);
    return;
  }
  process.stderr.write(`${red(`tandem: ${error.message}`)}\n`);
  for (const issue of error.issues) process.stderr.write(`  ${issueLine(issue)}\n`);
  if (error.hint !== undefined) process.stderr.write(`  hint: ${error.hint}\n`);
}

/** Something to know that ends nothing. */
export function printWarning(message: string): void {
  process.stderr.write(`${styleText("yellow", `tandem: ${message}`, TO_STDERR)}\n`);
}

function red(text: string): string {
  return styleText("red", text, TO_STDERR);
}

function issueLine({ file, line, path, message, hint }: Issue): string {
  const place = [file, line].filter((part) => part !== undefined).join(":");
  const where = [place, path].filter((part) => part !== "").join(" ");
  return `${where}: ${message}${hint === undefined ? "" : ` (${hint})`}`;
}
