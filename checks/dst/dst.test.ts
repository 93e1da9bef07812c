/** The gateway in virtual time: forty seeds here, a thousand in the long form; `npm run dst` has more. */
import { expect, test } from "vitest";
import "../support/solver.test-support.ts";
import { RandomStream } from "../../engine/random/stream.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { PRESETS } from "../../schedulers/registry.ts";
import { IS_LONG } from "../support/test-form.test-support.ts";
import { documentOf, OTHERS, planOf, SCHEDULERS } from "./plan.ts";
import { play } from "./play.ts";
import { type Crash, compareDecisions } from "./same-decisions.ts";
import { INPUTS } from "./virtual-gateway.ts";

const SEEDS = IS_LONG ? 1000 : 40;

test(`${SEEDS} seeds keep every invariant`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations } = await play(planOf(seed));
    expect(violations, `seed ${seed}: npm run dst -- --seed ${seed}`).toEqual([]);
  }
});

test("so do seeds of the other schedulers: together they are the whole registry", async () => {
  expect([...SCHEDULERS, ...OTHERS].sort()).toEqual(Object.keys(PRESETS).sort());
  for (let seed = 1; seed <= SEEDS / 5; seed++) {
    const plan = planOf(seed, OTHERS);
    const { violations } = await play(plan);
    expect(violations, `seed ${seed}, ${JSON.stringify(plan.document.scheduler)}`).toEqual([]);
  }
});

test("a seed plays the same each time, to the bit", async () => {
  for (const seed of [3, 7, 11]) {
    const [first, second] = [await play(planOf(seed)), await play(planOf(seed))];
    expect(second).toEqual(first);
    expect(first.decisions).toBeGreaterThan(300);
  }
});

const RUN_S = IS_LONG ? 10 : 5;

/** Each breaks a worker for up to two seconds. */
function crashesOf(document: ScenarioDocument, stream: RandomStream): readonly Crash[] {
  const { replicas } = compileSystem(document, INPUTS);
  return Array.from({ length: 4 }, () => {
    const replica = stream.integer(replicas.length);
    const [atUs, forUs] = [RUN_S, 2].map((s) => 1 + Math.floor(1e6 * s * stream.uniform()));
    return { replica, atUs, forUs };
  });
}

const LISTS = { usual: SCHEDULERS, other: OTHERS } as const;

// Sequences that end in one iteration share its microsecond.
test.each([
  { writers: false, crashes: false, schedulers: "usual", retries: 0, least: 0.88 },
  { writers: true, crashes: false, schedulers: "usual", retries: 0, least: 0.3 },
  { writers: false, crashes: true, schedulers: "usual", retries: 0, least: 0.8 },
  { writers: false, crashes: false, schedulers: "other", retries: 0, least: 0.7 },
  { writers: false, crashes: true, schedulers: "other", retries: 0, least: 0.7 },
  { writers: false, crashes: false, schedulers: "usual", retries: 2, least: 0.5 },
] as const)(
  "over links that cost nothing it gets the simulator's decisions, event by event (language models: $writers, crashes: $crashes, $schedulers schedulers, retries: $retries)",
  async ({ writers, crashes, schedulers, retries, least }) => {
    const list = LISTS[schedulers];
    let [same, entries] = [0, 0];
    // Runs with retries have twice to three times the decisions.
    const documents = (IS_LONG ? 500 : 40) / (1 + retries);
    for (let i = 0; i < documents; i++) {
      const scheduler = list[i % list.length];
      const stream = new RandomStream(`same/${i}`, "document");
      const document = documentOf(stream, scheduler, writers);
      const client = { timeoutMs: 40, retries, backoffMs: 10, jitter: 0.5, cancels: i % 2 === 0 };
      const workload = {
        ...document.workload,
        ...(retries > 0 && { client: { backoffFactor: 2, ...client } }),
        durationS: RUN_S,
      } as typeof document.workload;
      const run = { ...document.run, seed: i };
      const told = crashes ? crashesOf(document, stream) : [];
      const compared = await compareDecisions({ ...document, workload, run }, INPUTS, told);
      const { difference } = compared;
      if (difference !== null)
        expect(difference.because, `${i}: ${JSON.stringify(difference)}`).not.toBeNull();
      same += compared.same;
      entries += compared.entries;
    }
    expect(same / entries, "runs end early where two events share a microsecond").toBeGreaterThan(
      least,
    );
  },
);
