/** The runs that a report looks into: a measured one beside the prediction of the same configuration. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { EVIDENCE_FILE, logFile } from "../calibration/explain.ts";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { checkedSweep } from "../scenario/expand-sweep.ts";
import { runReplication } from "../sim/replication.ts";
import { scenario, sweep } from "./index.ts";
import { report } from "./report.ts";
import { inputsOf } from "./scenario.ts";

const folder = temporaryFolder("report");

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
  // A long one is in several lines.
  expect([title.subtitle].flat().join(" ")).toContain(last.id.replaceAll(",", ", "));
}, 60_000);

test("advice names what binds, and is simulated: a machine that is full is not helped by replicas", async () => {
  const shared = {
    ...DOCUMENT,
    pipelines: { p: { tasks: { serve: { model: "m" } }, slo: { latencyMs: 150, percentile: 95 } } },
    models: { m: { service: { distribution: "deterministic", meanMs: 100 } } },
    workload: { ...DOCUMENT.workload, requests: 3000 },
    run: { seed: 1, replications: 5 },
    cluster: {
      nodes: [{ name: "box", devices: { gpu: 6 }, contention: [1, 2, 3, 4] }],
      replicas: { serve: 2 },
    },
    sweep: { "workload.ratePerS": [9] },
  };
  const adviceIn = async (document: object, name: string): Promise<string> => {
    const out = join(folder, name);
    await sweep(await scenario(document), { directory: out });
    const { html } = await report(out);
    return /<dt>would help<\/dt><dd>([^<]*)/.exec(readFileSync(html, "utf8"))?.[1] ?? "";
  };
  expect(await adviceIn(shared, "shared")).toMatch(
    /^its busiest station is .*; 1 more replica of serve would not help \([\d.]+ → [\d.]+ % within the SLO, simulated\)/,
  );
  const slow = { ...shared, cluster: { replicas: { serve: 1 } } };
  expect(await adviceIn(slow, "slow")).toMatch(
    /^its busiest station is serve; \d more replicas? of serve: [\d.]+ → [\d.]+ % within the SLO, simulated$/,
  );
}, 60_000);
