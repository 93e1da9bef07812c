/** Runs this process's command line. */
import { tandem } from "./program.ts";

// The reader of the output has closed it (`| head`, `2>&1 | head`): no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
}

tandem(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
