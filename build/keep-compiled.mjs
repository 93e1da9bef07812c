// keep-compiled.mjs main COMMAND… | simulation-thread SCENARIO OVERRIDE
// Runs a bundle and keeps beside it what V8 has compiled by the end, for `load-bundle.ts`.
import { writeFileSync } from "node:fs";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { compiledFile, loadBundle } from "../dist/build/load-bundle.js";

const [name, ...rest] = process.argv.slice(2);
if (isMainThread && name !== "main") await onThread(...rest);
else run(isMainThread ? name : workerData.bundle);

function run(bundle) {
  process.argv.splice(2, 1);
  const { file, script, exports } = loadBundle(bundle);
  const keep = () => writeFileSync(compiledFile(file), script.createCachedData());
  if (isMainThread) process.on("exit", keep);
  else {
    Promise.all([exports.group([0]), exports.part([0, 0, 1])]).then(keep);
  }
}

/** A thread's bundle runs on a thread, with the sweep that it will find there. */
async function onThread(scenario, set) {
  const { loadScenario } = await import("../dist/cli/scenario-file.js");
  const loaded = await loadScenario({ scenario, set: [set] }, { requireTimes: true });
  const plan = { loaded, bundle: name };
  const thread = new Worker(new URL(import.meta.url), { workerData: plan });
  thread.on("error", (error) => {
    throw error;
  });
}
