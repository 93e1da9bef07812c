/** Runs this process's command line. */
import { tandem } from "./program.ts";

// Whoever reads the output has enough of it (`| head`): no reason to go on, nor an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

tandem(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
