/** The library under Deno: a process of Node does the work, with Node's results. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MESSAGE_COSTS } from "../checks/support/message-costs.test-support.ts";
import { needs } from "../checks/support/needs.test-support.ts";

const ROOT = join(import.meta.dirname, "..");
const cache = process.env.TANDEM_NOTEBOOKS ?? join(homedir(), ".cache", "tandem", "notebooks");
const installed = existsSync(cache)
  ? readdirSync(cache).filter((name) => name.startsWith("deno-"))
  : [];
const DENO = join(cache, installed.at(-1) ?? "deno", "node_modules/.bin/deno");
const HAS_DENO = needs("Deno (`node notebooks/execute.mjs --install` brings it)", existsSync(DENO));

const PROGRAM = `
import { Fault, scenario, simulate, sweep, validate } from "tandem-serving";
const text = \`
name: queue
pipelines: { p: { tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: lognormal, meanMs: 20, cv: 0.5 } } }
cluster: { replicas: { serve: 2 }, overheadProfile: messages.json }
workload: { arrivals: poisson, ratePerS: 30, requests: 60 }
run: { seed: 3, replications: 3 }
\`;
const newestFirst = ({ definePolicy }) => ({
  ordering: definePolicy({ name: "newest-first", create: () => ({ kind: "lifo" }) }),
});
const loaded = await scenario(text);
const done = [];
const { digest } = await simulate(loaded, { onProgress: (progress) => done.push(progress.done) });
const own = await simulate(await scenario(text, { scheduler: newestFirst }));
const stop = new AbortController();
stop.abort(new Error("enough"));
const why = await sweep(loaded, { signal: stop.signal }).catch(({ message }) => message);
const faults = await sweep(loaded, { sample: { method: "random", count: 5 } }).catch(
  (error) => error instanceof Fault && error.code,
);
const full = process.argv.includes("--validate");
const verdict = full ? (await validate(loaded, { backend: "replay" })).document.configurations[0].verdict : null;
console.log(JSON.stringify({ digest, own: own.digest, done, why, faults, verdict }));
`;

test.skipIf(!HAS_DENO)(
  "gives Node's digests, progress, aborts and faults, and runs real processes",
  () => {
    const folder = mkdtempSync(join(ROOT, "dist", "deno-"));
    try {
      writeFileSync(join(folder, "program.mjs"), PROGRAM);
      writeFileSync(join(folder, "messages.json"), JSON.stringify(MESSAGE_COSTS));
      const library = "../library/index.js";
      const config = { nodeModulesDir: "manual", imports: { "tandem-serving": library } };
      writeFileSync(join(folder, "deno.json"), JSON.stringify(config));
      const options = { cwd: folder, encoding: "utf8" } as const;
      const deno = spawnSync(DENO, ["run", "-A", "program.mjs", "--validate"], options);
      expect(deno.status, deno.stderr).toBe(0);
      const node = spawnSync(process.execPath, ["program.mjs"], options);
      const { verdict, ...same } = JSON.parse(deno.stdout);
      const { verdict: _, ...expected } = JSON.parse(node.stdout);
      expect(same).toEqual(expected);
      expect(same).toMatchObject({ done: [1, 2, 3], why: "enough" });
      expect(["agrees", "disagrees", "cannot tell"]).toContain(verdict);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
