#!/usr/bin/env node
/** Where the command starts: `program.ts`, from its bundle where that was made and holds the command. */
import { loadBundle, UNBUNDLED_COMMANDS } from "../build/load-bundle.ts";

type Main = typeof import("./program.ts");

// grpc-js names servers by their addresses, which Node deprecates (DEP0123): no user can mend that.
const printers = process.listeners("warning");
process.removeAllListeners("warning").on("warning", (warning: NodeJS.ErrnoException) => {
  if (warning.code !== "DEP0123") for (const print of printers) print(warning);
});
const elsewhere = process.argv.slice(2).some((word) => UNBUNDLED_COMMANDS.includes(word));
const main = elsewhere ? undefined : (loadBundle()?.exports as Main | undefined);
(main ?? (await import("./program.ts"))).run();
