/** The contents of the bundle: the command line, and the work of simulation threads. */
import { tandem } from "./program.ts";

/** Loaded when a thread starts: a command needs none of it before. */
export const simulationThread = () => import("../sweep/simulation-thread.ts");

/** Runs this process's command line. */
export function run(): void {
  // The reader of the output has closed it (`| head`): no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
  tandem(process.argv.slice(2)).then((code) => {
    process.exitCode = code;
  });
}
