/** The simulator behind the page, in Node: the same figures as the command, point by point. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ConfigurationResult, readScenario, simulateAll } from "../../library/browser.ts";
import {
  type Choices,
  type Effort,
  FIRST_STATE,
  gridOf,
  outlineOf,
  stateOf,
  stateText,
} from "./choices.ts";
import { highestLoadText } from "./highest-load.ts";
import type { CurvePoint, CurveRequest, Description, FromSimulator } from "./messages.ts";
import { differenceText } from "./readings.tsx";
import { Simulator } from "./simulator.ts";

const SCENARIOS = join(import.meta.dirname, "../../scenarios");
const EFFORT = { seed: 3, requests: 200, replications: 2 };

/** A simulator with a scenario, and what it said. */
class Session {
  readonly said: FromSimulator[] = [];
  readonly #simulator = new Simulator((message) => {
    this.said.push(message);
    this.#wake();
  });
  #wake: () => void = () => {};

  constructor(
    file: string,
    files: Readonly<Record<string, string>> = {},
    text = readFileSync(join(SCENARIOS, file), "utf8"),
  ) {
    this.#simulator.take({ kind: "open", source: { file, text, files } });
  }

  get description(): Description {
    return this.all("opened")[0].description;
  }

  all<Kind extends FromSimulator["kind"]>(kind: Kind): Extract<FromSimulator, { kind: Kind }>[] {
    return this.said.filter((message) => message.kind === kind) as never;
  }

  draw(curves: readonly CurveRequest[], effort: Effort = EFFORT): void {
    this.#simulator.take({ kind: "draw", curves, effort });
  }

  written(choices: Choices): string {
    this.#simulator.take({ kind: "write", choices, effort: EFFORT });
    return this.all("written").at(-1)?.text ?? "";
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  shown(): readonly CurvePoint[] {
    return this.all("points").flatMap(({ points }) => points);
  }

  /** The last result of each load. */
  points(key: string): ReadonlyMap<number, ConfigurationResult> {
    const own = this.shown().filter((point) => point.key === key);
    return new Map(own.map(({ load, result }) => [load, result]));
  }
}

test("curves have the results of the scenario that is written for them", async () => {
  const session = new Session("edge-or-cloud.yaml");
  const choices: Choices = {
    replicas: { look: 40 },
    scheduler: "round-robin",
    batch: { maxBatch: 3, waitMs: 5 },
    serviceScale: 0.5,
    costPerHour: { edge: 2 },
    sloMs: { pictures: 90 },
  };
  session.draw([
    { key: "as it is", choices: {} },
    { key: "changed", choices },
  ]);
  await session.until(() => session.all("finished").length === 2);
  for (const [key, own] of [
    ["as it is", {}],
    ["changed", choices],
  ] as const) {
    const results = await simulateAll(readScenario(session.written(own)));
    const loads = session.all("loads")[0].loads;
    expect(results.map(({ parameters }) => parameters["workload.ratePerS"])).toEqual(loads);
    const plain = ({ latencyCurve: _, id: __, parameters: ___, ...rest }: ConfigurationResult) =>
      rest;
    const points = session.points(key);
    expect(loads.map((load) => plain(points.get(load) as ConfigurationResult))).toEqual(
      results.map(plain),
    );
  }
  expect(session.all("failed")).toEqual([]);
});

test("curves that come with the scenario start at once, and go on where the page asks for them", async () => {
  const said: FromSimulator[] = [];
  const simulator = new Simulator((message) => said.push(message));
  const text = readFileSync(join(SCENARIOS, "queueing/branch.yaml"), "utf8");
  const { seed: _, ...effort } = EFFORT;
  const curves = [{ key: "a", choices: {} }];
  const source = { file: "a.yaml", text, files: {} };
  simulator.take({ kind: "open", source, first: { curves, effort } });
  const [{ description }] = said.filter((message) => message.kind === "opened");
  const { seed } = description;
  simulator.take({ kind: "draw", curves, effort: { ...effort, seed } });
  while (!said.some(({ kind }) => kind === "finished")) await new Promise(setImmediate);
  expect(said.map(({ kind }) => kind).filter((kind) => kind !== "points")).toEqual([
    ...["opened", "loads", "started", "taken", "taken", "schedulers", "finished"],
  ]);
});

test("bounds on the highest sustainable load hold the closed form of M/M/1, and are close", async () => {
  const [perS, sloMs] = [100, 100];
  const slo = { latencyMs: sloMs, percentile: 95 };
  const text = JSON.stringify({
    name: "mm1",
    pipelines: { p: { slo, tasks: { a: { model: "m" } } } },
    models: { m: { service: { distribution: "exponential", meanMs: 1000 / perS } } },
    cluster: { replicas: { a: 1 } },
    workload: { arrivals: "poisson", ratePerS: 50, requests: 5000 },
  });
  const session = new Session("mm1.yaml", {}, text);
  const effort = { seed: 3, requests: 5000, replications: 10 };
  session.draw([{ key: "a", choices: {} }], effort);
  await session.until(() => session.all("finished").length === 1);
  const points = session.points("a");
  const shown = highestLoadText({ points, capacityPerS: perS }, session.description.axis);
  const [, low, high] =
    /between ([\d.]+) and ([\d.]+) requests per s .*; its capacity is 100 /.exec(shown) ?? [];
  // A sojourn is exponential with mean 1 / (μ − λ).
  const highest = perS - (1000 * Math.log(20)) / sloMs;
  expect(highest).toBeGreaterThan(Number(low));
  expect(highest).toBeLessThan(Number(high));
  expect(Number(high) - Number(low), shown).toBeLessThan(6);
  expect([points.get(Number(low))?.slo, points.get(Number(high))?.slo]).toEqual([
    "meets",
    "misses",
  ]);
  expect(points.get(Number(high))?.replications).toBe(10);
});

test("points come breadth first: each curve has its first points before one is precise", async () => {
  const session = new Session("queueing/branch.yaml");
  session.draw([
    { key: "a", choices: {} },
    { key: "b", choices: { scheduler: "random" } },
  ]);
  await session.until(() => session.all("finished").length === 2);
  const order = session.shown().map(({ key, result }) => [key, result.replications]);
  const { length } = session.all("loads")[0].loads;
  const firsts = order.slice(0, 2 * length);
  expect(firsts.every(([, replications]) => replications === 1)).toBe(true);
  expect(order.slice(0, 4).map(([key]) => key)).toEqual(["a", "b", "a", "b"]);
});

test("a curve's form comes first and together: its ends, its bend and the scenario's own load", async () => {
  const session = new Session("queueing/mmc.yaml");
  session.draw([{ key: "a", choices: {} }]);
  await session.until(() => session.all("finished").length === 1);
  const [{ loads }] = session.all("loads");
  const [{ capacityPerS }] = session.all("started");
  const { axis } = session.description;
  const outline = outlineOf(loads, axis, capacityPerS);
  const bend = loads.filter((load) => load < (capacityPerS ?? 0)).at(-1);
  expect(outline).toEqual(expect.arrayContaining([loads[0], loads.at(-1), axis.base, bend]));
  expect(outline.length).toBeLessThan(0.6 * loads.length);
  const shown = session.shown().map(({ load }) => load);
  expect(shown.slice(0, outline.length)).toEqual(outline);
  expect(new Set(shown.slice(0, loads.length))).toEqual(new Set(loads));
  const sizes = session.all("points").map(({ points }) => points.length);
  const ends = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((sum, size) => sum + size));
  expect(ends, "the last point of the form is shown at once").toContain(outline.length);
});

test("a curve that is no longer wanted stops, and one that goes on is not drawn anew", async () => {
  const session = new Session("queueing/branch.yaml");
  const kept = { key: "kept", choices: {} };
  session.draw([{ key: "dropped", choices: { scheduler: "random" } }, kept]);
  await session.until(() => session.shown().length > 3);
  session.draw([kept]);
  const before = session.shown().filter(({ key }) => key === "dropped").length;
  await session.until(() => session.all("finished").length === 1);
  expect(session.shown().filter(({ key }) => key === "dropped").length).toBe(before);
  expect(session.all("started").map(({ key }) => key)).toEqual(["dropped", "kept"]);
});

test("a configuration that cannot be is refused with its issues, and others go on", async () => {
  const session = new Session("queueing/mmc.yaml");
  const [task] = Object.keys(session.description.replicas);
  session.draw([
    { key: "bad", choices: { replicas: { [task]: 5000 }, scheduler: "no-such-policy" } },
    { key: "good", choices: {} },
  ]);
  await session.until(() => session.all("finished").length === 1);
  const [{ key, failure }] = session.all("failed");
  expect(key).toBe("bad");
  expect(failure.issues.some(({ message }) => message.includes("no-such-policy"))).toBe(true);
  session.draw([{ key: "bad again", choices: { scheduler: "no-such-policy" } }]);
  await session.until(() => session.all("failed").length === 2);
  expect(session.all("loads"), "the axis stays where nothing can be drawn").toHaveLength(1);
});

test.each([
  ["seed-table-5.1.yaml", "burst"],
  ["retry-storm.yaml", "times"],
  ["llm-trace.yaml", "times"],
  ["diurnal-day.yaml", "rate"],
])("%s has an axis of loads (%s), and points on it", async (file, kind) => {
  const trace = readFileSync(join(SCENARIOS, "traces/llm-sample.csv"), "utf8");
  const session = new Session(file, { "traces/llm-sample.csv": trace });
  expect(session.description.axis.kind).toBe(kind);
  session.draw([{ key: "a", choices: {} }]);
  await session.until(() => session.all("finished").length + session.all("failed").length === 1);
  expect(session.all("failed")).toEqual([]);
  const { axis } = session.description;
  expect([...session.points("a").keys()]).toContain(axis.base);
});

test("the axis ends a little beyond the capacity, and holds the scenario's own load", () => {
  const axis = { kind: "rate", label: "Load", unit: "requests per s", base: 7.3 } as const;
  const grid = gridOf(axis, 20);
  expect(grid).toContain(7.3);
  expect(grid.at(-1)).toBe(24);
  expect(grid.toSorted((a, b) => a - b)).toEqual(grid);
  expect(gridOf({ ...axis, kind: "burst", base: 1 }, 0).at(-1)).toBe(50);
});

test("state travels as text that addresses take, and nonsense is the first state", () => {
  const state = {
    ...FIRST_STATE,
    choices: { scheduler: "edf", replicas: { größe: 3 } },
    pins: [{ serviceScale: 0.5 }],
    load: 12.5,
  };
  expect(stateText(state)).toMatch(/^[\w-]+$/);
  expect(stateOf(stateText(state))).toEqual(state);
  expect(stateText(FIRST_STATE)).toBe("");
  for (const text of ["", "%", "eyJwaW5zIjoxfQ", "bnVsbA"]) {
    expect(stateOf(text)).toEqual(FIRST_STATE);
  }
});

test("a configuration's name is how it differs from its scenario", () => {
  const { description } = new Session("edge-or-cloud.yaml");
  expect(differenceText({}, description)).toBe("as in the scenario");
  expect(differenceText({ replicas: description.replicas }, description)).toBe(
    "as in the scenario",
  );
  const changed = { scheduler: "edf", batch: { maxBatch: 4, waitMs: 10 }, replicas: { look: 2 } };
  const text = "edf · batches of 4 within 10 ms";
  // The scenario places its replicas.
  expect(differenceText(changed, description)).toBe(`look 2 · placed anew · ${text}`);
  const unplaced = { ...description, isPlaced: false };
  expect(differenceText(changed, unplaced)).toBe(`look 2 · ${text}`);
});
