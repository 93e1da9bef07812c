/** Ensembles on real workers: votes as in the simulator, weights from feedback, no vote of a straggler. */
import { expect, it } from "vitest";
import { twoTasks, withDeployment } from "../cluster/deployment.test-support.ts";
import { divergence, run, SEED } from "../cluster/measured-run.test-support.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { runReplication } from "../sim/replication.ts";

const model = (accuracy: number, meanMs = 2) => ({
  service: { distribution: "deterministic", meanMs },
  accuracy,
});

const ensemble = (models: object, sections: object) =>
  twoTasks({
    pipelines: {
      p: {
        slo: { latencyMs: 200 },
        tasks: {
          guess: {
            variants: Object.keys(models),
            ensemble: { classes: 3, minConfidence: 0.6, fallback: { label: "ask a person" } },
          },
        },
      },
    },
    models,
    cluster: {
      replicas: Object.fromEntries(Object.keys(models).map((name) => [`guess@${name}`, 1])),
    },
    workload: { arrivals: "poisson", ratePerS: 60, requests: 150 },
    run: { seed: 7 },
    ...sections,
  });

it("votes on each request as the simulator does, answers with its confidence, and learns whose votes count", async () => {
  const models = { bad: model(0.5), good: model(0.9), fair: model(0.7) };
  const document = ensemble(models, { scheduler: { selection: "exp4" } });
  await withDeployment({ document, backend: "replay" }, async (deployment) => {
    const { summary, outcomes, log } = await run(deployment, document);
    expect(outcomes.completed).toBe(150);
    expect(divergence(document, log)).toBeNull();
    // Nobody gives feedback to the gateway, so that votes are equal, as they are in the simulator then.
    const equal = ensemble(models, { scheduler: { selection: "all-variants" } });
    const { metrics } = runReplication(equal, { profiles: {}, traces: {} }, 0).summary;
    for (const name of ["accuracyMean", "confidenceMean", "unsureRatio"] as const) {
      expect(summary.metrics[name], name).toBeCloseTo(metrics[name] ?? Number.NaN, 6);
    }

    const { http } = deployment.gateway;
    const post = async (path: string, body: object, id = "") => {
      const headers = {
        "content-type": "application/json",
        ...(id === "" ? {} : { "x-request-id": id }),
      };
      const answer = await fetch(http + path, {
        method: "POST",
        headers,
        body: JSON.stringify(body),
      });
      return {
        status: answer.status,
        body: (await answer.json()) as { outputs: { data: string[] }[] },
      };
    };
    expect((await post("/run", { seed: SEED, log: true })).status).toBe(200);
    const inputs = [{ name: "payload", datatype: "BYTES", shape: [1], data: ["x"] }];
    const confidences: number[] = [];
    for (let call = 0; call < 12; call++) {
      const { status, body } = await post("/v2/models/p/infer", { inputs }, `call-${call}`);
      expect(status).toBe(200);
      const { outputs } = JSON.parse(body.outputs[0].data[0]);
      const { labels, confidence, unsure, fallback } = outputs.guess;
      confidences.push(confidence);
      expect([unsure, fallback]).toEqual(confidence < 0.6 ? [true, true] : [undefined, undefined]);
      expect(labels).toEqual(
        confidence < 0.6 ? ["ask a person"] : [expect.stringMatching(/^class [012]$/)],
      );
      for (const name of ["bad", "fair"]) {
        const heard = await post("/v1/feedback", {
          id: `call-${call}`,
          task: `guess@${name}`,
          loss: 1,
        });
        expect(heard).toEqual({ status: 200, body: { tasks: [`guess@${name}`] } });
      }
    }
    // With equal votes a confidence is a number of thirds; each loss has moved the weights since.
    expect(confidences[0] * 3).toBeCloseTo(Math.round(confidences[0] * 3), 4);
    const thirds = confidences
      .slice(3)
      .filter((each) => each < 0.999 && Math.abs(each * 3 - Math.round(each * 3)) < 1e-4);
    expect(thirds).toEqual([]);
    expect(confidences.some((each) => each < 1)).toBe(true);
    const heard = await post("/v1/feedback", { id: "call-0", task: "guess", label: "x" });
    expect(heard.body).toEqual({ tasks: ["guess@bad", "guess@good", "guess@fair"] });
    expect((await post("/v1/feedback", { id: "call-0", label: "x", loss: 1 })).status).toBe(400);
    expect(divergence(document, await (await fetch(`${http}/run/log`)).text())).toBeNull();
  });
}, 120_000);

it("answers at the deadline with the votes that have come", async () => {
  const models = { slow: model(0.9, 1500), quick: model(0.9), fast: model(0.8) };
  const document = ensemble(models, {
    scheduler: { preset: "clipper", selection: "all-variants" },
    workload: { arrivals: "burst", requests: 2 },
  });
  await withDeployment({ document, backend: "replay" }, async (deployment) => {
    const { summary, outcomes, log } = await run(deployment, document);
    expect(outcomes.completed).toBe(2);
    expect(divergence(document, log)).toBeNull();
    expect(summary.metrics.imputedRatio).toBe(1);
    expect(summary.metrics.confidenceMean).toBeLessThan(0.67);
    const { entries } = RunLog.parse(log);
    expect(entries.filter(([kind]) => kind === "vote")).toHaveLength(2);
    const answered = entries.findLastIndex(([kind]) => kind === "end");
    const slowEnd = entries.findIndex(([kind, replica]) => kind === "finish" && replica === 0);
    expect(slowEnd === -1 || slowEnd > answered).toBe(true);
  });
}, 60_000);
