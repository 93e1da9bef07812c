/** The runs that a report looks into: a measured one beside the prediction of the same configuration. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { EVIDENCE_FILE, logFile } from "../calibration/explain.ts";
import { RunLog } from "../core/run-log.ts";
import { checkedSweep } from "../core/scenario/sweep.ts";
import { runReplication } from "../sim/replication.ts";
import { scenario, sweep } from "./index.ts";
import { report } from "./report.ts";
import { inputsOf } from "./scenario.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-report-"));
afterAll(() => rmSync(folder, { recursive: true }));

const DOCUMENT = {
  name: "one-queue",
  pipelines: { p: { tasks: { serve: { model: "m" } }, slo: { latencyMs: 900, percentile: 95 } } },
  models: { m: { service: { distribution: "exponential", meanMs: 100 } } },
  cluster: { replicas: { serve: 2 } },
  workload: { arrivals: "poisson", ratePerS: 12, requests: 400 },
  run: { seed: 1, replications: 2 },
  sweep: { scheduler: ["fifo", "random"], "workload.ratePerS": [8, 12] },
};

test("a run that went as predicted has the predicted parts: the slowest requests of both sides are of one configuration", async () => {
  const loaded = await scenario(DOCUMENT);
  await sweep(loaded, { directory: folder });
  const { at, count } = checkedSweep(loaded);
  const inputs = inputsOf(loaded);
  const last = at(count - 1);
  const log = new RunLog();
  runReplication(last.document, inputs, 1, { log });
  const runs = [{ replication: 1 }];
  const evidence = { schema: "tandem/evidence@1", inputs, configurations: [{ ...last, runs }] };
  writeFileSync(join(folder, EVIDENCE_FILE), JSON.stringify(evidence));
  mkdirSync(dirname(join(folder, logFile(0, 0))));
  writeFileSync(join(folder, logFile(0, 0)), log.toJsonLines());
  const { charts } = await report(folder);
  const spec = charts.find(({ name }) => name === "slowest-requests")?.spec ?? "";
  const { data, title } = JSON.parse(readFileSync(spec, "utf8"));
  const parts = (side: string) =>
    data.values
      .filter((one: { side: string }) => one.side === side)
      .map(({ ms }: { ms: number }) => ms);
  expect(parts("measured").length).toBeGreaterThan(1);
  expect(parts("simulated")).toEqual(parts("measured"));
  expect(title.subtitle).toContain(last.id.replaceAll(",", ", "));
}, 60_000);
