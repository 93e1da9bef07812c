/** How a command ends early: failures with their text on stderr and exit code, warnings, and Ctrl-C. */
import { styleText } from "node:util";
import { withSourcePlaces } from "../build/source-places.ts";
import { FAULTS, Fault, type Issue } from "../core/fault.ts";

const REFUSALS =
  /^(EACCES|EBUSY|EDQUOT|EEXIST|EFBIG|EIO|EISDIR|ELOOP|EMFILE|ENAMETOOLONG|ENOENT|ENOSPC|ENOTDIR|EPERM|EROFS)$/;

/** A refusal of the system, such as a full disk, is no bug. */
function known(error: unknown): unknown {
  const code = error instanceof Error && "syscall" in error && "code" in error ? error.code : "";
  if (!REFUSALS.test(String(code))) return error;
  const hint = /^(EDQUOT|EFBIG|EIO|EMFILE|ENOSPC)$/.test(String(code))
    ? "what is finished is kept: once there is room, run the command again"
    : "name another file or folder, or free this one; what is finished is kept";
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

/** Ctrl-C and SIGTERM as an abort signal: the first asks to stop, the second stops at once. */
interface Interrupt {
  readonly signal: AbortSignal;
  dispose(): void;
}

export function interruptSignal(): Interrupt {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write("\ntandem: stopping; once more to stop at once\n");
    controller.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    dispose: () => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
