#!/usr/bin/env node
/** Where the command starts: `main.ts`, from its bundle where that holds the command. */
import { loadBundle } from "../bundle/load-bundle.ts";
import { BUNDLED_COMMANDS } from "./bundled-commands.ts";

const [first] = process.argv.slice(2);
const elsewhere = first !== undefined && /^\w/.test(first) && !BUNDLED_COMMANDS.includes(first);
if (elsewhere || loadBundle("main") === null) await import("./main.ts");
