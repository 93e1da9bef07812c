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
  isPlacedAnew,
  isScalable,
  type LoadAxis,
  loadAxisOf,
  outlineOf,
  overridesOf,
  pointAt,
} from "./choices.ts";
import { loadBetween } from "./highest-load.ts";
import type {
  CurvePoint,
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

interface Opened {
  /** Without the sweep and the validation of the user's text. */
  readonly source: ScenarioSource;
  readonly base: LoadedScenario;
  readonly axis: LoadAxis;
}

/** A configuration that can be simulated. */
interface Sound {
  readonly key: string;
  readonly scenario: LoadedScenario;
  /** Null where the traffic equations do not reach. */
  readonly capacityPerS: number | null;
}

/** A curve that is being drawn. */
interface Curve {
  readonly steps: AsyncGenerator<SimulationStep, void, void>;
  readonly abort: () => void;
  /** In the order in which they run. */
  readonly loads: readonly number[];
  readonly effort: Effort;
  /** The first so many loads draw the curve's form. */
  readonly outline: number;
  /** Points so far. */
  points: number;
  /** The latest by load. */
  readonly results: Map<number, PointResult>;
}

/** Points are shown together, so often at the most; a first curve that is whole at once. */
const SHOW_MS = 60;

/** Made once, after the first points. */
let forms: ReturnType<typeof schedulerForms> | undefined;

/** Throws Fault("not-found") where a server did not keep the trace. */
function sourceOf(kept: KeptScenario): ScenarioSource {
  const { workload } = kept.document;
  if (workload.arrivals === "trace" && kept.traces?.[workload.file] === undefined) {
    const message = `the cluster's gateway keeps no trace as long as ${workload.file}`;
    throw new Fault("not-found", message, {
      hint: "open the scenario and its trace from your disk",
    });
  }
  return scenarioSource(kept);
}

export class Simulator {
  readonly #post: (message: FromSimulator) => void;
  #opened: Opened | null = null;
  #loads: readonly number[] = [];
  #effort = "";
  /** By key; those of the last request that are sound. */
  #sound = new Map<string, Sound>();
  readonly #curves = new Map<string, Curve>();
  #isRunning = false;
  /** Keys of curves that have all their points. */
  readonly #whole = new Set<string>();
  /** Points that the page has not heard of. */
  #points: CurvePoint[] = [];
  #shownMs = 0;
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
    try {
      const source = "text" in given ? given : sourceOf(given);
      const { file, files } = source;
      const whole = readScenario(source.text, { file, files });
      const { workload, sweep, validation, run } = whole.document;
      this.#opened = { source, base: whole, axis: loadAxisOf(whole.document) };
      if (sweep !== undefined || validation !== undefined) {
        const text = scenarioText(source.text, { sweep: undefined, validation: undefined });
        // Shares of capacity are of the smallest shape of the sweep.
        const base = readScenario(text, { file, files, overrides: { workload } });
        this.#opened = { source: { file, files, text }, base, axis: loadAxisOf(base.document) };
      }
      this.#post({ kind: "opened", description: describe(this.#opened.base) });
      if (first !== undefined) this.#draw(first.curves, { seed: run.seed, ...first.effort });
    } catch (error) {
      this.#post({ kind: "refused", failure: failureOf(error) });
    }
  }

  #forget(): void {
    this.#stop(() => true);
    this.#whole.clear();
  }

  #stop(isOver: (key: string) => boolean): void {
    this.#points = this.#points.filter(({ key }) => !isOver(key));
    for (const [key, { abort }] of this.#curves) {
      if (!isOver(key)) continue;
      this.#curves.delete(key);
      abort();
    }
  }

  #draw(wanted: readonly CurveRequest[], effort: Effort): void {
    const { seed, requests, replications } = effort;
    const asked = String([seed, requests, replications]);
    if (asked !== this.#effort) this.#sound.clear();
    const sound = wanted.flatMap((request) => this.#prepare(request, effort));
    this.#sound = new Map(sound.map((one) => [one.key, one]));
    // Where nothing can be drawn, the axis stays.
    const loads = sound.length === 0 ? this.#loads : this.#loadsFor(sound);
    if (String(loads) !== String(this.#loads) || asked !== this.#effort) {
      this.#forget();
      this.#loads = loads;
      this.#effort = asked;
      this.#post({ kind: "loads", loads });
    }
    this.#stop((key) => !this.#sound.has(key));
    for (const key of this.#whole) if (!this.#sound.has(key)) this.#whole.delete(key);
    for (const one of sound) {
      if (!this.#curves.has(one.key) && !this.#whole.has(one.key)) this.#start(one, effort);
    }
    this.#post({ kind: "taken" });
  }

  /** None, and a message, where the configuration is not sound. */
  #prepare({ key, choices }: CurveRequest, effort: Effort): readonly Sound[] {
    const known = this.#sound.get(key);
    if (known !== undefined) return [known];
    const { base, source } = this.#opened as Opened;
    const { file, files } = source;
    try {
      const overrides = overridesOf(base, choices, effort);
      const text = textFor(source, base, choices);
      const scenario = readScenario(text, { file, files, overrides });
      return [{ key, scenario, capacityPerS: capacityOf(scenario)?.perS ?? null }];
    } catch (error) {
      this.#post({ kind: "failed", key, failure: failureOf(error) });
      return [];
    }
  }

  /** From light load to a little above the largest capacity. */
  #loadsFor(sound: readonly Sound[]): readonly number[] {
    const { base, axis } = this.#opened as Opened;
    if (!isScalable(base.document)) return [axis.base];
    const capacities = sound.map(({ capacityPerS }) => capacityPerS ?? 0);
    return gridOf(axis, axis.kind === "rate" ? Math.max(...capacities) : 0);
  }

  #start({ key, scenario, capacityPerS }: Sound, effort: Effort): void {
    const outline = outlineOf(this.#loads, (this.#opened as Opened).axis, capacityPerS);
    const loads = [...new Set([...outline, ...this.#loads])];
    this.#post({ kind: "started", key, capacityPerS });
    const drawn = { outline: outline.length, points: 0, results: new Map() };
    this.#curves.set(key, { ...this.#simulated(scenario, loads, effort), ...drawn });
    if (!this.#isRunning) void this.#run();
  }

  #simulated(scenario: LoadedScenario, loads: readonly number[], effort: Effort) {
    const document = { ...scenario.document, sweep: this.#sweepOf(loads, effort) };
    const control = new AbortController();
    const steps = simulate({ ...scenario, document }, { signal: control.signal });
    return { steps, abort: () => control.abort(), loads, effort };
  }

  /** Each step goes to the curve that has had the fewest; among equals, to the first. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    // The caller goes on first: it may have more curves.
    await null;
    while (this.#curves.size > 0) {
      const [key, curve] = [...this.#curves].reduce((least, one) =>
        one[1].points < least[1].points ? one : least,
      );
      const step = await curve.steps.next().catch(failureOf);
      // A curve that was stopped says nothing more.
      if (this.#curves.get(key) !== curve) continue;
      if ("message" in step) this.#end(key, step);
      else if (step.done === true) this.#goOn(key, curve);
      else this.#add(key, curve, step.value);
      this.#tellSchedulers();
    }
    this.#isRunning = false;
  }

  #sweepOf(loads: readonly number[], effort: Effort) {
    const { base, axis } = this.#opened as Opened;
    return { points: loads.map((load) => pointAt(base.document, axis, load, effort)) };
  }

  #write(choices: Choices, effort: Effort): void {
    const { base, source } = this.#opened as Opened;
    const values = overridesOf(base, choices, effort);
    const overrides = { ...values, sweep: this.#sweepOf(this.#loads, effort) };
    this.#post({ kind: "written", text: scenarioText(textFor(source, base, choices), overrides) });
  }

  #add(key: string, curve: Curve, { index, result }: SimulationStep): void {
    const wasOutlined = this.#isOutlined();
    curve.points++;
    const { latencyCurve: _, ...point }: PointResult & { latencyCurve?: unknown } = result;
    const load = curve.loads[index];
    curve.results.set(load, point);
    this.#points.push({ key, load, result: point });
    const isThere = !wasOutlined && this.#isOutlined();
    if (isThere || performance.now() - this.#shownMs > SHOW_MS) this.#show();
  }

  /** After the curve's own loads, those that narrow the bounds on the highest one that it sustains. */
  #goOn(key: string, curve: Curve): void {
    const { axis } = this.#opened as Opened;
    const next = loadBetween(curve.results, axis, this.#loads);
    if (next === undefined) this.#end(key, null);
    else {
      const { scenario } = this.#sound.get(key) as Sound;
      this.#curves.set(key, { ...curve, ...this.#simulated(scenario, [next], curve.effort) });
    }
  }

  #end(key: string, failure: Failure | null): void {
    this.#show();
    this.#curves.delete(key);
    this.#whole.add(key);
    this.#post(failure === null ? { kind: "finished", key } : { kind: "failed", key, failure });
  }

  /** A page draws slower than points come. */
  #show(): void {
    this.#shownMs = performance.now();
    if (this.#points.length > 0) this.#post({ kind: "points", points: this.#points });
    this.#points = [];
  }

  /** Whether the form of every curve is there. */
  #isOutlined(): boolean {
    return [...this.#curves.values()].every(({ points, outline }) => points >= outline);
  }

  #tellSchedulers(): void {
    if (this.#hasTold || !this.#isOutlined()) return;
    this.#hasTold = true;
    forms ??= schedulerForms();
    this.#post({ kind: "schedulers", schedulers: forms });
  }
}

/** Replicas that are placed by hand are placed anew when their numbers change. */
function textFor({ text }: ScenarioSource, { document }: LoadedScenario, choices: Choices): string {
  const { replicas, placement } = document.cluster;
  const moves = isPlacedAnew(choices, { replicas, isPlaced: placement !== undefined });
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
    isPlaced: cluster.placement !== undefined,
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
