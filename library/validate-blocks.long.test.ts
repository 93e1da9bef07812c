import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { measureBracket } from "../calibration/blocks.ts";
import { startDeployment } from "../cluster/deploy/deployment.ts";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { bracketOf } from "./validate-blocks.ts";

/** Programs that nobody below this process waits for, each busy for so long. */
function othersWork(programs: number, seconds: number): void {
  const script = `const end = Date.now() + ${1000 * seconds}; while (Date.now() < end);`;
  for (let i = 0; i < programs; i++) {
    spawnSync("sh", ["-c", '"$0" -e "$1" >/dev/null 2>&1 &', process.execPath, script]);
  }
}

const document = scenarioSchema.parse({
  name: "s",
  pipelines: { p: { tasks: { a: { model: "m" } } } },
  models: { m: { service: { distribution: "deterministic", meanMs: 20 } } },
  cluster: { replicas: { a: 1 } },
  workload: { arrivals: "poisson", ratePerS: 10, durationS: 20 },
});
const inputs = { profiles: {}, traces: {} };
const options = { document, inputs, backend: "replay", seed: "bracket" } as const;
const contents = { p: Array.from({ length: 16 }, () => payloadRequest(new Uint8Array(64))) };
const light = { document, inputs, ratePerS: 10, idle: [], busy: [], isLocal: true };

test.runIf(process.platform === "linux")(
  "a bracket beside which other programs work is measured again",
  { timeout: 120_000 },
  async () => {
    let rounds = 0;
    const plan = {
      ...light,
      get contents() {
        rounds++;
        return contents;
      },
    };
    const deployment = await startDeployment(options);
    try {
      othersWork(2, 2);
      const { workUs } = await measureBracket(deployment, plan, "bracket");
      expect(rounds).toBeGreaterThan(1);
      expect(Object.keys(workUs(undefined))).toEqual(["m"]);
    } finally {
      await deployment.stop();
    }
  },
);

test("a validation warms its deployment up before the first bracket", async () => {
  const given = { ...light, contents, signal: undefined, inventory: undefined };
  const deployment = await startDeployment(options);
  try {
    const beganMs = performance.now();
    await bracketOf(given)(deployment);
    // Without it, a bracket of 16 requests at 10 a second takes two seconds.
    expect(performance.now() - beganMs).toBeGreaterThan(14_000);
  } finally {
    await deployment.stop();
  }
});
