#!/usr/bin/env node
/** Where the command starts: `program.ts`, from the bundle. */
import * as modules from "node:module";

// Node 22 keeps what V8 has compiled.
(modules as { readonly enableCompileCache?: () => void }).enableCompileCache?.();

// grpc-js names servers by their addresses, which Node deprecates (DEP0123): no user can mend that.
const printers = process.listeners("warning");
process.removeAllListeners("warning").on("warning", (warning: NodeJS.ErrnoException) => {
  if (warning.code !== "DEP0123") for (const print of printers) print(warning);
});
const bundle = new URL("../bundle/program.js", import.meta.url).href;
const { run } = (await import(bundle)) as typeof import("./program.ts");
run();
