/** A cache by content on a deployment hits by the bytes of requests; `cluster/run/draws.test.ts` has drawn contents. */
import { expect, it } from "vitest";
import { noOp, withDeployment } from "./deployment.test-support.ts";
import { postJson } from "./security/client-access.ts";

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

it("real workers compute the same bytes once, and the answer has all outputs again", async () => {
  const service = { distribution: "deterministic", meanMs: 1 };
  const models = { quick: { service, implementation: { name: "no-op" } } };
  const document = noOp({ pipelines, cluster, models });
  await withDeployment({ document, backend: "real" }, async (deployment) => {
    const url = `${deployment.gateway.http}/v2/models/ask/infer`;
    const infer = async (text: string) => {
      const inputs = [{ name: "payload", datatype: "BYTES", shape: [1], data: [text] }];
      const { value } = await postJson(url, { inputs });
      const { outputs } = value as unknown as { outputs: { data: string[] }[] };
      return JSON.parse(outputs[0].data[0]);
    };
    const [first, again, other] = [await infer("x"), await infer("x"), await infer("y")];
    expect(first.timing.tasks.slow.batch).toBe(1);
    expect(again.outputs).toEqual(first.outputs);
    expect(again.timing.tasks.slow).toMatchObject({ batch: 0, endUs: 0 });
    expect(other.timing.tasks.slow.batch).toBe(1);
  });
}, 60_000);
