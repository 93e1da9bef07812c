/** The simulator behind the page: opens a scenario, and has several curves drawn by one runner or more. */
import {
  capacityOf,
  type KeptScenario,
  type LoadedScenario,
  readScenario,
  type ScenarioSource,
  scenarioSource,
  scenarioText,
  schedulerForms,
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
  pointAt,
} from "./choices.ts";
import type {
  CurveRequest,
  Description,
  FirstCurves,
  FromSimulator,
  ToSimulator,
} from "./messages.ts";
import { type FromRunner, failureOf, Runner, type ToRunner } from "./runner.ts";

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

/** A part of a curve that is being drawn. */
interface Part {
  readonly key: string;
  /** In the order in which they run. */
  readonly loads: readonly number[];
  readonly stop: () => void;
  /** Points so far. */
  points: number;
}

/** Where parts run. */
export type Connect = (hear: (message: FromRunner) => void) => (message: ToRunner) => void;

/** Made once, after the first points. */
let forms: ReturnType<typeof schedulerForms> | undefined;

export class Simulator {
  readonly #post: (message: FromSimulator) => void;
  readonly #runners: ((message: ToRunner) => void)[] = [];
  #opened: Opened | null = null;
  #loads: readonly number[] = [];
  #effort = "";
  /** By key; those of the last request that are sound. */
  #sound = new Map<string, Sound>();
  readonly #parts = new Map<number, Part>();
  /** Keys of curves that have all their points. */
  readonly #whole = new Set<string>();
  #nextId = 0;
  #hasTold = false;

  constructor(post: (message: FromSimulator) => void) {
    this.#post = post;
    this.join((hear) => {
      const own = new Runner(hear);
      return (message) => own.take(message);
    });
  }

  /** Curves that start from now on are shared with one more runner. */
  join(connect: Connect): void {
    this.#runners.push(connect((message) => this.#hear(message)));
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
      const source = "text" in given ? given : scenarioSource(given);
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
    for (const [id, { key, stop }] of this.#parts) {
      if (!isOver(key)) continue;
      this.#parts.delete(id);
      stop();
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
    const running = new Set([...this.#parts.values()].map(({ key }) => key));
    for (const one of sound) {
      if (!running.has(one.key) && !this.#whole.has(one.key)) this.#start(one, effort);
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

  /** Each runner has its share of light and heavy loads. */
  #start({ key, scenario, capacityPerS }: Sound, effort: Effort): void {
    const all = coarseFirst(this.#loads);
    this.#post({ kind: "started", key, capacityPerS });
    const runners = this.#runners.slice(0, all.length);
    for (const [place, runner] of runners.entries()) {
      const loads = all.filter((_, i) => i % runners.length === place);
      const id = this.#nextId++;
      const stop = () => runner({ kind: "stop", id });
      this.#parts.set(id, { key, loads, stop, points: 0 });
      const sweep = this.#sweepOf(loads, effort);
      const document = { ...scenario.document, sweep };
      runner({ kind: "start", id, scenario: { ...scenario, document } });
    }
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

  #hear(message: FromRunner): void {
    const part = this.#parts.get(message.id);
    if (part === undefined) return;
    const { key, loads } = part;
    if (message.kind === "point") {
      part.points++;
      this.#post({ kind: "point", key, load: loads[message.index], result: message.result });
    } else {
      this.#parts.delete(message.id);
      const { failure } = message;
      if (failure !== null) this.#stop((one) => one === key);
      if (![...this.#parts.values()].some((one) => one.key === key)) {
        this.#whole.add(key);
        this.#post(failure === null ? { kind: "finished", key } : { kind: "failed", key, failure });
      }
    }
    this.#tellSchedulers();
  }

  #tellSchedulers(): void {
    if (this.#hasTold) return;
    if ([...this.#parts.values()].some(({ points, loads }) => points < loads.length)) return;
    this.#hasTold = true;
    forms ??= schedulerForms();
    this.#post({ kind: "schedulers", schedulers: forms });
  }
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
