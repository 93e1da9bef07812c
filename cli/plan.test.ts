import { describe, expect, test } from "vitest";
import type { Candidate, NotSearched } from "../planning/plan.ts";
import type { Trial } from "../planning/trial.ts";
import { planDocument, planText } from "./plan.ts";

const HEADER = {
  schema: "tandem/plan@1",
  scenario: { name: "s", digest: "d" },
  seed: 1,
  command: "npx tandem plan s.yaml",
} as const;

const trial = (meets: boolean): Trial => ({
  meets,
  replications: 3,
  kept: [{ pipeline: "p", attainment: { mean: 1, halfWidth95: 0 }, latencyP99Ms: null }],
  costPerHour: 5,
});

function candidate(
  scheduler: string,
  meets: boolean,
  notSearched: readonly NotSearched[],
): Candidate {
  const machines = { cost: 5, slots: 2, counts: { gpu: 2, cpu: 0 }, nodes: [], kinds: [0] };
  const found = meets ? { machines, replicas: [1, 1], trial: trial(true) } : null;
  const gpu = { machinesUsed: 2, machines: 4, idleCostPerHour: 5, replicas: { pre: 1, big: 1 } };
  const cpu = { machinesUsed: 0, machines: 4, idleCostPerHour: 0.4, replicas: {} };
  return {
    ...{ scheduler, parameters: {}, unit: "per hour", tasks: ["pre", "big"], notSearched },
    search: {
      ...{ found, missed: trial(false), trials: 9, withoutRoom: 0 },
      proven: !notSearched.includes("trials"),
    },
    cost: meets ? 5 : null,
    placement: meets ? { gpu, cpu } : null,
  };
}

function planOf(...candidates: readonly Candidate[]) {
  const goals = [{ pipeline: "p", latencyMs: 300, share: 0.99 }];
  const document = planDocument(HEADER, [{ parameters: {}, goals, candidates }]);
  return { document, text: planText(document, 300, (points) => `simulate ${points.length}`) };
}

describe("a plan", () => {
  test("calls proven what was searched in full, and says where its replicas run", () => {
    const { document, text } = planOf(candidate("fifo", true, []));
    expect(document.plans[0].candidates[0]).toMatchObject({ proven: true, notSearched: [] });
    expect(text).toContain("cheapest: fifo (9 trials; all that is cheaper was tried or ruled out)");
    expect(text).toContain("gpu 2 of 4 machines (pre 1, big 1); cpu 0 of 4 machines");
  });

  test("claims no more than it searched", () => {
    const { document, text } = planOf(candidate("fifo", true, ["placement"]));
    expect(document.plans[0].candidates[0]).toMatchObject({
      proven: false,
      notSearched: ["placement"],
    });
    expect(text).not.toContain("all that is cheaper");
    expect(text).toMatch(
      /cheapest under the default placement: fifo \(9 trials; all cheaper numbers/,
    );
    expect(text).toContain("without choosing which task runs on which kind of node");
  });

  test("says so of any of its candidates, and marks a cost only for a bound on trials", () => {
    const { text } = planOf(candidate("fifo", true, []), candidate("edf", true, ["trials"]));
    expect(text).toMatch(/fifo +5 +pre/);
    expect(text).toMatch(/edf +5 \? +pre/);
    expect(text).toContain("--max-trials allows more");
    expect(text).not.toContain("tried or ruled out");
  });

  test("without a solution says whether that is of all that was allowed", () => {
    const all = planOf(candidate("fifo", false, ["placement"]));
    expect(all.text).toContain(
      "nothing that was allowed keeps the goal (9 trials; without choosing which task runs on which",
    );
    expect(all.document.plans[0].candidates[0]).toMatchObject({ meets: false, placement: null });
    const some = planOf(candidate("fifo", false, ["trials"]));
    expect(some.text).toContain("nothing that was tried keeps the goal");
  });
});
