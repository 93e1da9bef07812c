// keep-compiled.mjs COMMAND…
// Runs a command from the bundle and keeps beside it what V8 has compiled by the end, for `load-bundle.ts`.
import { writeFileSync } from "node:fs";
import { compiledFile, loadBundle } from "../dist/build/load-bundle.js";

const { file, script, exports } = loadBundle();
process.on("exit", () => writeFileSync(compiledFile(file), script.createCachedData()));
exports.run();
