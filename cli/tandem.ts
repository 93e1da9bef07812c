#!/usr/bin/env node
/** Where the command starts: `program.ts`, from its bundle (`build/make-bundle.mjs`). */
import module from "node:module";
import { builtFile } from "../build/version.ts";

// Node 22 and later keep what V8 has compiled for the next start.
(module as { readonly enableCompileCache?: () => unknown }).enableCompileCache?.();
const { run }: typeof import("./program.ts") = await import(builtFile("bundle/program.js").href);
run();
