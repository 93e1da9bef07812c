import { describe, expect, test } from "vitest";
import type { ResultsDocument } from "../../results/documents.ts";
import { attainmentMap } from "../charts/attainment-map.ts";
import { costFront } from "../charts/cost.ts";
import { latencyQuantiles } from "../charts/latency.ts";
import { singleDocument, sweepDocument, validationDocument } from "../documents.test-support.ts";
import { answerText } from "./answer.ts";
import { type Decision, decisionsOf } from "./decision.ts";
import type { PlanView } from "./documents.ts";
import { filterChoices, filterKey, filtersOf } from "./parameters.ts";
import { planDecisions, promiseLines } from "./plan-decision.ts";
import { bestTable } from "./rankings.ts";
import { configurationsText } from "./terminal-text.ts";

function fact(decision: Decision | undefined, name: string): string {
  return decision?.facts.find(([each]) => each === name)?.[1] ?? "";
}

/** The sweep with the state of its SLOs and stability replaced. */
function judged(
  state: (one: ResultsDocument["configurations"][number]) => object,
): ResultsDocument {
  const { configurations, ...rest } = sweepDocument();
  return { ...rest, configurations: configurations.map((one) => ({ ...one, ...state(one) })) };
}

test("a single run has no interval, also where its half width is 0", () => {
  const { configurations, ...rest } = singleDocument();
  const [{ metrics, ...one }] = configurations;
  const { latencyP99Ms } = metrics;
  const flat = { ...metrics, latencyP99Ms: { mean: latencyP99Ms?.mean ?? 0, halfWidth95: 0 } };
  const document = { ...rest, configurations: [{ ...one, metrics: flat }] };
  expect(fact(decisionsOf(document, undefined)[0], "latency")).toMatch(/^p99 latency [\d.]+ ms$/);
});

describe("the decision for each load", () => {
  const [light, middle] = decisionsOf(sweepDocument(), undefined);

  test("names the cheapest, all its replicas, its cost and latency, and its ties", () => {
    expect(light.load).toBe("arrival rate 8/s");
    expect(light.answer).toBe("fifo, detect replicas 2");
    expect(fact(light, "replicas")).toBe("detect 2, plate 2");
    expect(fact(light, "cost")).toBe("4 replicas, 2.7/h");
    expect(fact(light, "latency")).toMatch(/^p99 latency \d+ ± \d+ ms$/);
    expect(fact(light, "within the SLO")).toBe("99.50 ± 0.20 % within 500 ms (99 % wanted)");
    expect(fact(light, "tied with it")).toMatch(/join-shortest-queue, .*; power-of-two, /);
  });

  test("says what is next cheaper and by how much it misses, and what is next faster", () => {
    expect(fact(light, "next cheaper")).toMatch(
      /detect replicas 1 \(3 replicas, 2\.6\/h\) misses the SLO: 97\.00 ± 0\.19 % within 500 ms/,
    );
    expect(fact(light, "next faster")).toMatch(/detect replicas \d .*: p99 latency \d/);
    expect(Number(/p99 latency (\d+)/.exec(fact(light, "next faster"))?.[1])).toBeLessThan(
      light.chosen?.metrics.latencyP99Ms?.mean ?? 0,
    );
  });

  test("says how much more load it bears, by what was simulated and by the busiest station", () => {
    expect(fact(light, "headroom")).toMatch(/misses it .* at arrival rate 16\/s/);
    const known = judged(() => ({ offeredLoadRatio: 0.5 }));
    expect(fact(decisionsOf(known, undefined)[1], "headroom")).toContain(
      "stable up to 2 times this load (busiest station at 50 % of its capacity); the SLO may fail before",
    );
    expect(middle.answer).toBe("fifo, detect replicas 4");
  });

  test("says whether this very configuration was validated, and how well", () => {
    expect(fact(light, "validated")).toMatch(/^no: `tandem validate`/);
    const [, now] = decisionsOf(sweepDocument(), validationDocument(9));
    expect(fact(now, "validated")).toMatch(
      /^prediction and measurement agree: predicted less measured mean latency [+-].*; 5 runs, measured times replayed/,
    );
    expect(fact(decisionsOf(sweepDocument(), validationDocument(9))[0], "validated")).toMatch(
      /^not this one, but 9 configurations validated: 7 agree, 1 disagrees, 1 cannot be judged yet$/,
    );
  });
});

test("where all costs the same, nothing is said about cost but the command that searches", () => {
  const costPerHour = { mean: 5, halfWidth95: 0 };
  const flat = judged(({ metrics, tasks: { detect } }) => ({
    metrics: { ...metrics, costPerHour },
    tasks: { detect: { ...detect, replicasMean: costPerHour } },
  }));
  for (const [program, shown] of [
    ["tandem", "tandem"],
    ["npx tandem", "npx tandem"],
    ["node /opt/somewhere/dist/cli/tandem.js", "tandem"],
  ]) {
    const command = `${program} simulate 'my s.yaml' --seed 1`;
    expect(fact(decisionsOf({ ...flat, command }, undefined)[0], "next cheaper")).toBe(
      `not known: all that was simulated costs the same: \`${shown} plan 'my s.yaml'\` searches`,
    );
  }
});

test("costs of different numbers of replicas differ, and no search is named for language models", () => {
  const written = judged(({ metrics: { costPerHour: _, ...free }, tasks }) => ({
    metrics: { ...free, ttftMeanMs: { mean: 100, halfWidth95: 1 } },
    tasks: { detect: tasks.detect },
    slo: "meets",
  }));
  expect(fact(decisionsOf(written, undefined)[0], "next cheaper")).toBe(
    "nothing cheaper was simulated",
  );
});

describe("the first sentence", () => {
  const answered = (validation?: ReturnType<typeof validationDocument>) => {
    const document = sweepDocument();
    return answerText(decisionsOf(document, validation), document, validation);
  };

  test("names the SLO, the load, the shape and the price", () => {
    expect(answered()).toBe(
      "Cheapest that keeps p99 ≤ 500 ms at 32/s: fifo with 8 detect + 2 plate, 5.8/h. " +
        "Not measured yet: `tandem validate` runs it on real workers.",
    );
  });

  test("is about a load whose decision was measured, where there is one, with its largest error", () => {
    expect(answered(validationDocument(9))).toMatch(
      / at 16\/s: .* Measured on real workers: agrees \([+-][\d.]+ %\)\.$/,
    );
  });

  test("a doubt comes first, with its reason and the interval of the error, and no error alone", () => {
    const { configurations, ...rest } = validationDocument(9);
    const doubtful = configurations.map((one) => ({
      ...one,
      verdict: "cannot tell" as const,
      judgements: Object.fromEntries(
        Object.entries(one.judgements).map(([name, judgement]) => [
          name,
          { ...judgement, verdict: "cannot tell" as const, reason: "runs differ; more" },
        ]),
      ),
    }));
    const document = { ...rest, configurations: doubtful };
    const doubt = /cannot tell yet \(runs differ; error between [+-][\d.]+ % and [+-][\d.]+ %\)/;
    expect(answered(document)).toMatch(doubt);
    const [, now] = decisionsOf(sweepDocument(), document);
    expect(fact(now, "validated")).toMatch(new RegExp(`^${doubt.source}; 5 runs`));
  });

  test("a doubt about other configurations does not read as a refusal", () => {
    const { configurations, ...rest } = validationDocument(9);
    const others = configurations.map((one) => ({
      ...one,
      parameters: { ...one.parameters, "cluster.replicas.detect": 99 },
      verdict: "cannot tell" as const,
    }));
    expect(answered({ ...rest, configurations: others })).toMatch(
      /real workers: not this one, but 9 configurations validated: 9 cannot be judged yet\.$/,
    );
  });

  test("of runs that were not judged does not claim that there is no SLO", () => {
    const configurations = sweepDocument().configurations.map(({ slo: _, ...one }) => one);
    const unjudged = { ...sweepDocument(), configurations };
    const { slo: _, ...none } = unjudged;
    const said = (document: typeof none) =>
      answerText(decisionsOf(document, undefined), document, undefined);
    expect(said(unjudged)).toMatch(/^Not shown to be the cheapest that keeps p99 ≤ 500 ms at /);
    expect(said(none)).toMatch(/^Without an SLO at /);
    const states = JSON.stringify(attainmentMap(unjudged)?.data);
    expect(states).toContain('"state":"unclear"');
    expect(states).not.toContain('"state":"misses');
  });
});

describe("where nothing meets the SLO", () => {
  test("the nearest miss is described, and a way out that fits it", () => {
    const none = judged((one) => ({ slo: "misses", stability: "stable", tasks: one.tasks }));
    const [, , heavy] = decisionsOf(none, undefined);
    expect(heavy.state).toBe("bad");
    expect(heavy.answer).toMatch(/^none is shown to meet the SLO; nearest: .*detect replicas/);
    expect(fact(heavy, "would help")).toMatch(/^its busiest task, detect, works .* more replicas/);
    expect(fact(heavy, "next step")).toMatch(
      /^`tandem plan scenarios\/image-\S+` searches the chea/,
    );
  });

  test("idle replicas are not called too few, and an open interval asks for longer runs", () => {
    const idle = judged(() => ({
      slo: "misses",
      tasks: { detect: { utilizationRatio: { mean: 0.1, halfWidth95: 0 } } },
    }));
    expect(fact(decisionsOf(idle, undefined)[0], "would help")).toContain("service itself");
    const slow = judged(({ metrics }) => ({
      slo: "misses",
      metrics: {
        ...metrics,
        latencyMeanMs: { mean: 9000, halfWidth95: 1 },
        queueWaitMeanMs: { mean: 1000, halfWidth95: 1 },
      },
    }));
    expect(fact(decisionsOf(slow, undefined)[0], "would help")).toMatch(
      /^a request takes 8,000 ms on average without its waits, so more replicas do not/,
    );
    const open = judged(() => ({ slo: "unclear" }));
    expect(JSON.stringify(decisionsOf(open, undefined)[0].facts)).not.toContain("tandem plan");
    expect(fact(decisionsOf(open, undefined)[0], "would help")).toContain("longer runs");
  });

  test("overload has no nearest; without an SLO the fastest is named, and an SLO asked for", () => {
    const over = judged(() => ({ slo: "misses", stability: "unstable" }));
    expect(decisionsOf(over, undefined)[0].answer).toBe("none: every configuration is overloaded");
    expect(answerText(decisionsOf(over, undefined), over, undefined)).toMatch(
      /^Nothing keeps p99 ≤ 500 ms.*\d\/s: every configuration is overloaded\.$/,
    );
    expect(costFront(over)).toBeUndefined();
    expect(latencyQuantiles(over)).toBeUndefined();
    const [free] = decisionsOf(singleDocument(), undefined);
    expect([free.answer, free.state]).toEqual(["base", "warn"]);
    expect(fact(free, "SLO")).toContain("set `slo:");
    const slos = { p: { latencyMs: 300, percentile: 99 } };
    const [validated] = decisionsOf({ ...singleDocument(), slos }, undefined);
    expect(fact(validated, "SLO")).toMatch(/^not judged/);
  });
});

const ANSWER = {
  scheduler: "edf",
  parameters: {},
  cost: 5,
  replicas: { detect: 5, plate: 2 },
  placement: {
    gpu: { machinesUsed: 2, machines: 3, idleCostPerHour: 2.5, replicas: { detect: 5 } },
  },
  replications: 5,
  kept: {
    p: {
      sloAttainmentRatio: { mean: 0.995, halfWidth95: 0.001 },
      latencyMs: { mean: 167, halfWidth95: 8 },
    },
  },
};

const SINGLE = { ...singleDocument(), slo: { latencyMs: 500, percentile: 99 } };

test("a plan's answer has the same form, with what the search proved", () => {
  const plan: PlanView = {
    schema: "tandem/plan@3",
    command: "tandem plan s.yaml",
    headlines: [],
    plans: [
      {
        parameters: {},
        goals: [{ pipeline: "p", latencyMs: 300, percentile: 99 }],
        unit: "per hour",
        best: ANSWER,
        nearest: null,
        alike: ["priority"],
        allCheaperTried: true,
        state: "confirmed",
        lowerBound: 5,
        runnersUp: [
          { ...ANSWER, scheduler: "fifo" },
          { ...ANSWER, scheduler: "sjf", cost: 4 },
        ],
      },
    ],
  };
  expect(promiseLines(plan, singleDocument())).toEqual([]);
  const steady = { ...plan.plans[0], promise: "long-run" as const, settlesS: null, window: null };
  const window = { fromS: 60, toS: 120, mostPerS: 30, meanPerS: 12 };
  const peak = { ...steady, parameters: { rate: 2 }, window };
  expect(promiseLines({ ...plan, plans: [steady, steady] }, singleDocument())).toEqual([
    "the SLO is kept in the long run",
  ]);
  expect(promiseLines({ ...plan, plans: [steady, peak] }, singleDocument())[1]).toBe(
    "at rate 2: the SLO is kept at the peak of the load (60 to 120 s: up to 30/s, of 12/s in the mean); `--window whole` plans for all of it",
  );
  const [decision] = planDecisions(plan, singleDocument(), validationDocument(1));
  expect(decision.answer).toBe("edf: detect 5, plate 2");
  expect(fact(decision, "runs on")).toBe("gpu 2 of 3 machines (detect 5)");
  expect(fact(decision, "next cheaper")).toMatch(/^none: all that is cheaper was tried/);
  expect(fact(decision, "nearest others")).toBe(
    "fifo, detect 5, plate 2 (5 per hour); sjf, detect 5, plate 2 (4 per hour), not confirmed",
  );
  expect(fact(decision, "validated")).toContain("agree");
  const [entry] = plan.plans;
  const early = { ...plan, plans: [{ ...entry, allCheaperTried: false, lowerBound: 0 }] };
  const [open] = planDecisions(early, singleDocument(), undefined);
  expect(fact(open, "next cheaper")).toMatch(/^no cost is known below which nothing can keep/);
  const said = (...decisions: readonly Decision[]) => answerText(decisions, SINGLE, undefined);
  expect(said(decision)).toMatch(
    /^Cheapest that keeps .*, confirmed on 5 fresh replications\. Not/,
  );
  expect(said(open)).toMatch(/^Cheapest found that keeps p99 ≤ /);
  expect(fact(open, "plan")).toBe("cheapest found, confirmed on 5 fresh replications");
  const doubted = { ...early, plans: [{ ...entry, state: "not confirmed" as const }] };
  expect(said(...planDecisions(doubted, SINGLE, undefined))).toMatch(
    /^Best so far, not confirmed that it keeps p99 ≤ .*\/h\. Not measured/,
  );
  const two = { a: ANSWER.kept.p, b: ANSWER.kept.p };
  const goals = ["a", "b"].map((pipeline) => ({ pipeline, latencyMs: 300, percentile: 99 }));
  const loads = [8, 16].map((rate) => ({
    ...entry,
    goals,
    best: { ...ANSWER, kept: two },
    parameters: { "workload.ratePerS": rate },
  }));
  const [slow] = planDecisions({ ...plan, plans: loads }, sweepDocument(), undefined);
  expect(slow.load).toBe("arrival rate 8/s");
  expect(fact(slow, "latency")).toMatch(/^a p99 167\S* ± \S+ ms, b p99 167\S* ± \S+ ms$/);
  const lost = {
    best: null,
    nearest: ANSWER,
    state: "none",
    missing: "edf 9: too few slots",
  } as const;
  const unsolved = { ...plan, plans: [{ ...entry, ...lost }] };
  const [none] = planDecisions(unsolved, singleDocument(), undefined);
  expect([none.state, none.answer]).toEqual([
    "bad",
    "no plan meets the SLO; nearest: edf, detect 5, plate 2 (5 per hour)",
  ]);
  expect(fact(none, "missing")).toBe("edf 9: too few slots");
  expect(fact(none, "within the SLO")).toMatch(/on 5 replications$/);
  const kept = { p: { sloAttainmentRatio: { mean: 0.98, halfWidth95: 0.3 }, latencyMs: null } };
  const vague = { ...lost, missing: null, nearest: { ...ANSWER, kept } };
  const [vaguely] = planDecisions({ ...plan, plans: [{ ...entry, ...vague }] }, SINGLE, undefined);
  expect(fact(vaguely, "within the SLO")).toMatch(/^98 \(68–100\) % .*: cannot tell$/);
});

describe("filters", () => {
  test("are of scheduler and load, and a key names the level of each", () => {
    const filters = filtersOf(sweepDocument());
    expect(filters.map(filterChoices)).toEqual([
      { name: "scheduler", levels: ["fifo", "join-shortest-queue", "power-of-two"] },
      { name: "arrival rate", levels: ["8/s", "16/s", "32/s"] },
    ]);
    expect(filterKey(filters, { scheduler: "power-of-two", "workload.ratePerS": 16 })).toBe(
      "s2 l1",
    );
    expect(filterKey(filters, { scheduler: "another" })).toBe("");
    expect(filtersOf(singleDocument())).toEqual([]);
  });
});

describe("the best of a large sweep", () => {
  const { configurations, ...rest } = sweepDocument();
  const many = [0, 1, 2, 3].flatMap((i) =>
    configurations.map((one) => ({
      ...one,
      id: `${one.id}/${i}`,
      parameters: { ...one.parameters, "cluster.replicas.plate": i + 1 },
    })),
  );
  const large: ResultsDocument = { ...rest, configurations: many };

  test("has at most ten rows a load, the cheapest that meets the SLO first, ties in one row", () => {
    const table = bestTable(large);
    const rows = table?.rows.map((row) => row.map(({ text }) => text)) ?? [];
    for (const load of ["8", "16", "32"]) {
      expect(rows.filter(([at]) => at === load).length).toBeLessThanOrEqual(10);
    }
    expect(rows[0].slice(0, 4)).toEqual([
      ...["8", "1"],
      "fifo, join-shortest-queue or power-of-two · detect replicas 2 · plate replicas 1",
      "meets",
    ]);
    expect(table?.keys?.[0]).toBe("s0 l0 s1 s2");
  });

  test("is all that a terminal shows of it", () => {
    const lines = configurationsText(large, 100).split("\n");
    expect(lines.length).toBeLessThan(45);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(lines.join(" ")).toContain("of 144 configurations");
    expect(configurationsText(sweepDocument(), 100).split("\n").length).toBeGreaterThan(36);
  });
});
