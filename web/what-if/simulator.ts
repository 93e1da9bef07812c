/** The simulator behind the page: opens a scenario, and draws several curves breadth first. */
import {
  capacityOf,
  Fault,
  type KeptScenario,
  type LoadedScenario,
  readScenario,
  type ScenarioSource,
  type SimulationStep,
  scenarioSource,
  scenarioText,
  schedulerForms,
  simulate,
  simulateAll,
} from "../../library/browser.ts";
import {
  type Choices,
  type Effort,
  gridOf,
  isScalable,
  type LoadAxis,
  loadAxisOf,
  overridesOf,
} from "./choices.ts";
import type {
  CurveRequest,
  Description,
  Failure,
  FirstCurves,
  FromSimulator,
  PointResult,
  ToSimulator,
} from "./messages.ts";

const SMALL = {
  name: "warm-up",
  pipelines: { p: { tasks: { a: { model: "m" }, b: { model: "m", after: ["a"] } } } },
  models: { m: { service: { distribution: "lognormal", meanMs: 10, cv: 0.5 } } },
  cluster: { replicas: { a: 2, b: 2 }, network: { gbps: 1 }, gateway: { arrivalUs: 100 } },
  workload: { arrivals: "poisson", ratePerS: 100, requests: 2000 },
  sweep: { points: [{ "workload.ratePerS": 50 }, { "workload.ratePerS": 100 }] },
  run: { seed: 1, replications: 1 },
};

/** Simulates something small, so that the first scenario finds the loops compiled. Ends by the signal's reason. */
export async function warmUp(signal: AbortSignal): Promise<void> {
  await simulateAll(readScenario(JSON.stringify(SMALL)), { signal });
}

/** A curve that is being drawn. */
interface Curve {
  readonly key: string;
  /** In the order in which they run. */
  readonly loads: readonly number[];
  readonly steps: AsyncGenerator<SimulationStep, void, void>;
  readonly stop: () => void;
  /** Steps so far. */
  done: number;
}

interface Opened {
  /** Without the sweep and the validation of the user's text. */
  readonly source: ScenarioSource;
  readonly base: LoadedScenario;
  readonly axis: LoadAxis;
}

interface Reading {
  readonly key: string;
  readonly loads: readonly number[];
  readonly effort: Effort;
  readonly scenario: LoadedScenario;
}

/** Made once, after the first points. */
let forms: ReturnType<typeof schedulerForms> | undefined;

export class Simulator {
  readonly #post: (message: FromSimulator) => void;
  #opened: Opened | null = null;
  #loads: readonly number[] = [];
  #effort = "";
  #curves: Curve[] = [];
  /** Keys of curves that have all their points. */
  readonly #whole = new Set<string>();
  /** By key; null where the traffic equations do not reach. */
  readonly #capacities = new Map<string, number | null>();
  /** The scenario that was read last. */
  #latest: Reading | null = null;
  #isRunning = false;
  #hasTold = false;

  constructor(post: (message: FromSimulator) => void) {
    this.#post = post;
  }

  take(message: ToSimulator): void {
    switch (message.kind) {
      case "open":
        this.#open(message.source, message.first);
        break;
      case "draw":
        this.#draw(message.curves, message.effort);
        break;
      case "write":
        this.#write(message.choices, message.effort);
        break;
      case "close":
        this.#forget();
    }
  }

  #open(given: ScenarioSource | KeptScenario, first: FirstCurves | undefined): void {
    this.#forget();
    this.#capacities.clear();
    this.#loads = [];
    this.#latest = null;
    try {
      const source = "text" in given ? given : scenarioSource(given);
      const { file, files } = source;
      const whole = readScenario(source.text, { file, files });
      const text = scenarioText(source.text, { sweep: undefined, validation: undefined });
      // Shares of capacity are of the smallest shape of the sweep.
      const { workload } = whole.document;
      const base = readScenario(text, { file, files, overrides: { workload } });
      this.#opened = { source: { file, files, text }, base, axis: loadAxisOf(base.document) };
      this.#post({ kind: "opened", description: describe(base) });
      const { seed } = base.document.run;
      if (first !== undefined) this.#draw(first.curves, { seed, ...first.effort });
    } catch (error) {
      this.#post({ kind: "refused", failure: failureOf(error) });
    }
  }

  #forget(): void {
    for (const { stop } of this.#curves) stop();
    this.#curves = [];
    this.#whole.clear();
  }

  #draw(wanted: readonly CurveRequest[], effort: Effort): void {
    const sound = wanted.filter(({ key, choices }) => this.#measure(key, choices, effort));
    // Where nothing can be drawn, the axis stays.
    const loads = sound.length === 0 ? this.#loads : this.#loadsFor(sound);
    const { seed, requests, replications } = effort;
    const asked = String([seed, requests, replications]);
    if (String(loads) !== String(this.#loads) || asked !== this.#effort) {
      this.#forget();
      this.#loads = loads;
      this.#effort = asked;
      this.#post({ kind: "loads", loads });
    }
    const keys = new Set(sound.map(({ key }) => key));
    for (const { key, stop } of this.#curves) if (!keys.has(key)) stop();
    for (const key of this.#whole) if (!keys.has(key)) this.#whole.delete(key);
    this.#curves = sound.flatMap((request) => {
      const running = this.#curves.find(({ key }) => key === request.key);
      if (running !== undefined) return [running];
      return this.#whole.has(request.key) ? [] : this.#start(request, effort);
    });
    this.#post({ kind: "taken" });
    if (!this.#isRunning) void this.#run();
  }

  /** Finds a configuration's capacity; false, and a message, where it is not sound. */
  #measure(key: string, choices: Choices, effort: Effort): boolean {
    if (this.#capacities.has(key)) return true;
    const { axis, base } = this.#opened as Opened;
    if (Object.values(choices).every((one) => one === undefined)) {
      // The scenario as it is has been read.
      this.#capacities.set(key, capacityOf(base)?.perS ?? null);
      return true;
    }
    try {
      // Most changes leave the axis where it is: then the curve starts from this reading.
      const loads = this.#loads.length > 0 ? this.#loads : [axis.base];
      const scenario = this.#read(choices, coarseFirst(loads), effort);
      this.#capacities.set(key, capacityOf(scenario)?.perS ?? null);
      this.#latest = { key, loads, effort, scenario };
      return true;
    } catch (error) {
      this.#post({ kind: "failed", key, failure: failureOf(error) });
      return false;
    }
  }

  /** From light load to a little above the largest capacity. */
  #loadsFor(curves: readonly CurveRequest[]): readonly number[] {
    const { base, axis } = this.#opened as Opened;
    if (!isScalable(base.document)) return [axis.base];
    const own = this.#capacities;
    const capacities = curves.map(({ key }) => own.get(key) ?? 0);
    const known = axis.kind === "rate" ? Math.max(...capacities, 0) : 0;
    return gridOf(axis, known);
  }

  /** None, and a message, where the configuration is not sound. */
  #start({ key, choices }: CurveRequest, effort: Effort): readonly Curve[] {
    const loads = coarseFirst(this.#loads);
    const control = new AbortController();
    const latest = this.#latest;
    const isRead = latest?.key === key && latest.loads === this.#loads && latest.effort === effort;
    try {
      const scenario = isRead ? latest.scenario : this.#read(choices, loads, effort);
      const steps = simulate(scenario, { signal: control.signal });
      this.#post({ kind: "started", key, capacityPerS: this.#capacities.get(key) ?? null });
      return [{ key, loads, steps, stop: () => control.abort(), done: 0 }];
    } catch (error) {
      this.#post({ kind: "failed", key, failure: failureOf(error) });
      return [];
    }
  }

  #read(choices: Choices, loads: readonly number[], effort: Effort): LoadedScenario {
    const { base, source } = this.#opened as Opened;
    const { file, files } = source;
    const overrides = overridesOf(base, choices, loads, effort);
    return readScenario(textFor(source, base, choices), { file, files, overrides });
  }

  #write(choices: Choices, effort: Effort): void {
    const { base, source } = this.#opened as Opened;
    const overrides = overridesOf(base, choices, this.#loads, effort);
    const text = scenarioText(textFor(source, base, choices), overrides);
    this.#post({ kind: "written", text });
  }

  /** Each step goes to the curve that has had the fewest; among equals, to the first. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#curves.length > 0) {
      const curve = this.#curves.reduce((least, one) => (one.done < least.done ? one : least));
      if (curve.done >= curve.loads.length) this.#tellSchedulers();
      curve.done++;
      try {
        const { value, done } = await curve.steps.next();
        if (done === true) this.#end(curve, { kind: "finished", key: curve.key });
        else if (this.#curves.includes(curve)) this.#post(pointOf(curve, value));
      } catch (error) {
        this.#end(curve, { kind: "failed", key: curve.key, failure: failureOf(error) });
      }
    }
    this.#tellSchedulers();
    this.#isRunning = false;
  }

  #tellSchedulers(): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    forms ??= schedulerForms();
    this.#post({ kind: "schedulers", schedulers: forms });
  }

  /** Says nothing of a curve that was stopped. */
  #end(curve: Curve, message: FromSimulator): void {
    if (!this.#curves.includes(curve)) return;
    this.#whole.add(curve.key);
    this.#curves = this.#curves.filter((one) => one !== curve);
    this.#post(message);
  }
}

function pointOf({ key, loads }: Curve, { index, result }: SimulationStep): FromSimulator {
  const { latencyCurve: _, ...kept }: PointResult & { latencyCurve?: unknown } = result;
  return { kind: "point", key, load: loads[index], result: kept };
}

/** Every fourth load, then those halfway, then the others: the curve's form shows early. */
function coarseFirst(loads: readonly number[]): readonly number[] {
  const rank = (i: number): number => (i % 4 === 0 ? 0 : i % 4 === 2 ? 1 : 2);
  return [0, 1, 2].flatMap((round) => loads.filter((_, i) => rank(i) === round));
}

/** Replicas that are placed by hand are placed anew when their numbers change. */
function textFor({ text }: ScenarioSource, { document }: LoadedScenario, choices: Choices): string {
  const moves = choices.replicas !== undefined && document.cluster.placement !== undefined;
  return moves ? scenarioText(text, { "cluster.placement": undefined }) : text;
}

function describe({ document }: LoadedScenario): Description {
  const { name, pipelines, cluster, scheduler, run } = document;
  const batching = typeof scheduler === "string" ? undefined : scheduler.batching;
  const { maxBatch, waitMs } = (typeof batching === "object" ? batching : {}) as {
    readonly maxBatch?: number;
    readonly waitMs?: number;
  };
  return {
    name,
    seed: run.seed,
    axis: loadAxisOf(document),
    replicas: cluster.replicas,
    machines: cluster.nodes ?? [],
    goals: Object.entries(pipelines).flatMap(([pipeline, { slo }]) =>
      slo === undefined ? [] : [{ pipeline, ...slo }],
    ),
    scheduler: typeof scheduler === "string" ? scheduler : "as in the scenario",
    batch: maxBatch === undefined ? null : { maxBatch, waitMs: waitMs ?? 0 },
  };
}

function failureOf(error: unknown): Failure {
  if (!(error instanceof Fault)) return { message: String(error), issues: [] };
  const { message, hint, issues = [] } = error;
  return { message, ...(hint === undefined ? {} : { hint }), issues };
}
