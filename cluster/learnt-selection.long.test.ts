/** A gateway whose callers say how wrong each answer was learns which variant to choose. */
import { expect, it } from "vitest";
import { compileSystem } from "../scenario/compile/compile.ts";
import { NO_INPUTS, twoTasks, withDeployment } from "./deployment.test-support.ts";
import { divergence, SEED } from "./measured-run.test-support.ts";

const CALLS = 60;

it.each([
  { policy: "exp3", eta: 0.5 },
  { policy: "epsilon-greedy", epsilon: 0.2 },
])(
  "%j leaves a variant that answers wrongly, and its log replays",
  async (selection) => {
    const document = twoTasks({
      pipelines: { p: { tasks: { detect: { variants: ["bad", "good"] } } } },
      models: Object.fromEntries(
        ["bad", "good"].map((name) => [
          name,
          { service: { distribution: "deterministic", meanMs: 1 }, accuracy: 0.9 },
        ]),
      ),
      cluster: { replicas: { "detect@bad": 1, "detect@good": 1 } },
      scheduler: { selection },
    });
    const bad = compileSystem(document, NO_INPUTS).pools.findIndex(({ model }) => model === "bad");
    await withDeployment({ document, backend: "replay" }, async ({ gateway: { http } }) => {
      const post = (path: string, body: object, id = ""): Promise<Response> =>
        fetch(http + path, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            ...(id === "" ? {} : { "x-request-id": id }),
          },
          body: JSON.stringify(body),
        });
      const logOf = async (): Promise<string> => (await fetch(`${http}/run/log`)).text();
      expect((await post("/run", { seed: SEED, log: true })).status).toBe(200);
      const inputs = [{ name: "payload", datatype: "BYTES", shape: [1], data: ["x"] }];
      for (let call = 0; call < CALLS; call++) {
        const answer = await post("/v2/models/p/infer", { inputs }, `call-${call}`);
        expect(answer.status).toBe(200);
        const chosen = (await logOf())
          .trim()
          .split("\n")
          .filter((line) => line.startsWith('["select"'));
        const [, , pool] = JSON.parse(chosen.at(-1) as string) as [string, number, number];
        const fed = await post("/v1/feedback", { id: `call-${call}`, loss: pool === bad ? 1 : 0 });
        expect(fed.status).toBe(200);
      }
      const log = await logOf();
      const pools = log
        .split("\n")
        .flatMap((line) => (line.startsWith('["select"') ? [JSON.parse(line)[2] as number] : []));
      expect(pools).toHaveLength(CALLS);
      expect(pools.slice(-20).filter((pool) => pool === bad).length).toBeLessThan(6);
      expect(pools.filter((pool) => pool === bad).length).toBeGreaterThan(0);
      expect(divergence(document, log)).toBeNull();
    });
  },
  180_000,
);
