/** Caches by content on a deployment: drawn contents hit as the draws say, real ones by their bytes. */
import { expect, it } from "vitest";
import { RequestDraws } from "../engine/requests/draws.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { NO_INPUTS, noOp, twoTasks, withDeployment } from "./deployment.test-support.ts";
import { divergence, run, SEED } from "./measured-run.test-support.ts";

const pipelines = {
  ask: {
    tasks: {
      cache: { model: "quick", cache: { content: { entries: 50, keys: 20 }, skips: ["slow"] } },
      slow: { model: "quick", after: ["cache"] },
      answer: { model: "quick", after: ["cache", "slow"] },
    },
  },
};
const cluster = { replicas: { cache: 1, slow: 1, answer: 1 } };

it("a replay hits where the same content was drawn before", async () => {
  const document = twoTasks({
    pipelines,
    cluster,
    models: { quick: { service: { distribution: "deterministic", meanMs: 1 } } },
    workload: { arrivals: "closed", clients: 1, requests: 60 },
  });
  const draws = new RequestDraws(compileSystem(document, NO_INPUTS), SEED);
  const contents = new Set<number>();
  for (let i = 0; i < 60; i++) {
    const keys = new Int32Array(4);
    draws.drawKeys(draws.pipeline(), 0, keys);
    contents.add(keys[0]);
  }
  await withDeployment({ document, backend: "replay" }, async (deployment) => {
    const { outcomes, summary, log } = await run(deployment, document);
    expect(outcomes.completed).toBe(60);
    // One client at a time: each content is computed once.
    expect(summary.tasks.slow.jobs).toBe(contents.size);
    expect(contents.size).toBeLessThan(21);
    expect(divergence(document, log)).toBeNull();
  });
}, 60_000);

it("real workers compute the same bytes once, and the answer has all outputs again", async () => {
  const service = { distribution: "deterministic", meanMs: 1 };
  const models = { quick: { service, implementation: { name: "no-op" } } };
  const document = noOp({ pipelines, cluster, models });
  await withDeployment({ document, backend: "real" }, async (deployment) => {
    const url = `${deployment.gateway.http}/v2/models/ask/infer`;
    const infer = async (text: string) => {
      const inputs = [{ name: "payload", datatype: "BYTES", shape: [1], data: [text] }];
      const headers = { "content-type": "application/json" };
      const answer = await fetch(url, {
        method: "POST",
        headers,
        body: JSON.stringify({ inputs }),
      });
      const { outputs } = (await answer.json()) as { outputs: { data: string[] }[] };
      return JSON.parse(outputs[0].data[0]);
    };
    const [first, again, other] = [await infer("x"), await infer("x"), await infer("y")];
    expect(first.timing.tasks.slow.batch).toBe(1);
    expect(again.outputs).toEqual(first.outputs);
    expect(again.timing.tasks.slow).toMatchObject({ batch: 0, endUs: 0 });
    expect(other.timing.tasks.slow.batch).toBe(1);
  });
}, 60_000);
