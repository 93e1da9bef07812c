/** What `tandem cluster up` is told, before anything is started. */
import { appendFileSync } from "node:fs";
import { Fault } from "../core/fault.ts";

const LAST_PORT = 65_535;
const MOST_SPARE = 1000;

/** REST takes the port, gRPC the next, and each of `workers` processes one more. Throws Fault("usage"). */
export function checkPort(port: number, workers: number): void {
  const most = LAST_PORT - 1 - workers;
  if (Number.isInteger(port) && port >= 1 && port <= most) return;
  throw new Fault("usage", `--port is a whole number from 1 to ${most}, got ${port}`, {
    hint: `REST takes it, gRPC the next, and ${workers} workers those after; without, any that are free`,
  });
}

/** Throws Fault("usage"). */
export function checkSpare(spare: number): void {
  if (Number.isInteger(spare) && spare >= 0 && spare <= MOST_SPARE) return;
  throw new Fault("usage", `--spare is a whole number from 0 to ${MOST_SPARE}, got ${spare}`);
}

/** Whether a file that traces go to can be written. Throws Fault("usage"). */
export function checkTraceFile(path: string): void {
  try {
    appendFileSync(path, "");
  } catch (cause) {
    const why = (cause as Error).message;
    throw new Fault("usage", `traces cannot be written to ${path}: ${why}`, { cause });
  }
}
