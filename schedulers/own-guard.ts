/**
 * Guards around the policies of a user's file: what they throw, and answers that make no sense, become
 * a Fault that names the policy and the line. Built-in policies are tested instead, and have no guards.
 */
import type { ClusterView, Controller, Controls, JobView } from "../core/dispatch/controller.ts";
import type {
  Admission,
  Batching,
  Ordering,
  PoolView,
  Routing,
  Scaling,
  Selection,
  Shedding,
} from "../core/dispatch/policies.ts";
import { Fault } from "../core/fault.ts";
import type { Decision } from "../core/scenario/schema/scheduler.ts";
import type { AnyDefinition } from "./rules/policy-definition.ts";

/** The policy in messages: `mine: ordering policy "longest-first"`. */
interface Guarded {
  readonly label: string;
}

/** The same definition, whose policies are guarded. */
export function guarded(
  decision: Decision,
  definition: AnyDefinition,
  file: string,
): AnyDefinition {
  const kind = decision === "controller" ? "controller" : `${decision} policy`;
  const own: Guarded = { label: `${file}: ${kind} "${definition.name}"` };
  const create = definition.create as (parameters: unknown, context: unknown) => unknown;
  return {
    ...definition,
    create: (parameters: unknown, context: unknown) => {
      const made = called(own, "create", () => create(parameters, context));
      return guardOf(own, decision, made);
    },
  };
}

/** Runs code of the user. */
function called<T>(own: Guarded, method: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof Fault) throw error;
    const fault = new Fault("invalid-input", `${own.label}, in ${method}: ${thrown(error)}`, {
      hint: "`tandem check SCENARIO` plays it and prints the steps that lead there",
      cause: error,
    });
    FAILURES.add(fault);
    throw fault;
  }
}

const FAILURES = new WeakSet<object>();

/** Whether code of the user failed, and not ours. */
export function isOwnFailure(error: unknown): boolean {
  return typeof error === "object" && error !== null && FAILURES.has(error);
}

/** The message, and the line of the file. Its frames have a `data:` address, for it was imported as text. */
export function thrown(error: unknown): string {
  const { stack = "" } = error instanceof Error ? error : {};
  const [, line] = /data:text\/javascript\S*?:(\d+)(?::\d+)?\)?$/m.exec(stack) ?? [];
  return line === undefined ? messageOf(error) : `${messageOf(error)} (line ${line})`;
}

/** Without the words of our assertions. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = error.message.replace(/^assertion failed: /, "").replace(/data:text\/\S*/g, "it");
  return error.name === "Error" ? text : `${error.name}: ${text}`;
}

function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

function guardOf(own: Guarded, decision: Decision, made: unknown): unknown {
  const isOptional = decision === "shedding" || decision === "scaling" || decision === "controller";
  if (made === undefined && isOptional) return undefined;
  const isRule = decision !== "shedding";
  called(own, "create", () => {
    const expected = isRule ? "an object" : "a function";
    must(
      isRule ? typeof made === "object" && made !== null : typeof made === "function",
      `it returned ${made === null ? "null" : typeof made}, not ${expected}`,
    );
  });
  switch (decision) {
    case "admission":
      return guardAdmission(own, made as Admission);
    case "routing":
      return guardRouting(own, made as Routing);
    case "ordering":
      return guardOrdering(own, made as Ordering);
    case "batching":
      return guardBatching(own, made as Batching);
    case "selection":
      return guardSelection(own, made as Selection);
    case "shedding":
      return guardShedding(own, made as Shedding);
    case "scaling":
      return guardScaling(own, made as Scaling);
    case "controller":
      return guardController(own, made as Controller);
  }
}

/** Methods that a rule may lack, each with the check of its answer; null: nobody reads that. */
function optional<Rule extends object>(
  own: Guarded,
  rule: Rule,
  checks: { readonly [Name in keyof Rule]?: ((answer: never, ...args: never[]) => void) | null },
): Partial<Rule> {
  const methods = rule as Record<string, (...args: unknown[]) => unknown>;
  const entries = Object.entries(checks).flatMap(([name, check]) => {
    if (methods[name] === undefined) return [];
    const method = (...args: unknown[]): unknown =>
      called(own, name, () => {
        const answer = methods[name](...args);
        (check as ((...all: unknown[]) => void) | null)?.(answer, ...args);
        return answer;
      });
    return [[name, method]];
  });
  return Object.fromEntries(entries) as Partial<Rule>;
}

function guardAdmission(own: Guarded, rule: Admission): Admission {
  return {
    dropsLate: rule.dropsLate === true,
    ...(rule.ceiling === undefined ? {} : { ceiling: rule.ceiling }),
    admit: (inSystem) =>
      called(own, "admit", () => {
        const answer = rule.admit(inSystem);
        must(typeof answer === "boolean", `${shown(answer)} is neither true nor false`);
        return answer;
      }),
  };
}

function guardRouting(own: Guarded, rule: Routing): Routing {
  if (rule.kind === "central") return { kind: "central", idle: rule.idle ?? "longest-idle" };
  called(own, "create", () => {
    must(rule.kind === "immediate", `kind is ${shown(rule.kind)}, not "central" or "immediate"`);
  });
  return {
    kind: "immediate",
    needs: rule.needs ?? "nothing",
    ...(rule.holds === undefined ? {} : { holds: rule.holds }),
    route: (pool, job) =>
      called(own, "route", () => {
        const replica = rule.route(pool, job);
        const isKept = replica === -1 && rule.holds === true;
        must(
          isKept || isUp(pool, replica),
          `${shown(replica)} is no replica of the pool that is up`,
        );
        return replica;
      }),
  };
}

function isUp(pool: PoolView, replica: number): boolean {
  for (let i = 0; i < pool.upCount; i++) if (pool.upAt(i) === replica) return true;
  return false;
}

function guardOrdering(own: Guarded, rule: Ordering): Ordering {
  if (rule.kind === "fifo" || rule.kind === "lifo") return rule;
  called(own, "create", () => {
    must(rule.kind === "keyed", `kind is ${shown(rule.kind)}, not "keyed", "fifo" or "lifo"`);
  });
  return {
    kind: "keyed",
    key: (job) =>
      called(own, "key", () => {
        const key = rule.key(job);
        must(typeof key === "number" && !Number.isNaN(key), `${shown(key)} is no number`);
        return key;
      }),
    ...optional(own, rule, { taken: null, left: null }),
  };
}

function guardBatching(own: Guarded, rule: Batching): Batching {
  if (rule.kind === "single") return { kind: "single", maxBatch: 1 };
  called(own, "create", () => {
    must(rule.kind === "group", `kind is ${shown(rule.kind)}, not "single" or "group"`);
    must(
      isWhole(rule.maxBatch, 1),
      `maxBatch is ${shown(rule.maxBatch)}, not a whole number from 1`,
    );
  });
  let askedUs = 0;
  return {
    kind: "group",
    maxBatch: rule.maxBatch,
    ...(rule.perReplica === undefined ? {} : { perReplica: rule.perReplica }),
    size: (queue, replica, nowUs) =>
      called(own, "size", () => {
        askedUs = nowUs;
        const size = rule.size(queue, replica, nowUs);
        const range = `not a whole number from 0 to ${rule.maxBatch}`;
        must(isWhole(size, 0) && size <= rule.maxBatch, `${shown(size)} is ${range}`);
        return size;
      }),
    dueUs: (queue, replica) =>
      called(own, "dueUs", () => {
        const dueUs = rule.dueUs(queue, replica);
        must(dueUs > askedUs, `${shown(dueUs)} µs is not later than now, ${askedUs} µs`);
        return dueUs;
      }),
    ...optional(own, rule, { ended: null }),
  };
}

function guardSelection(own: Guarded, rule: Selection): Selection {
  return {
    choose: (job, among, view) =>
      called(own, "choose", () => {
        const pool = rule.choose(job, among, view);
        must(among.includes(pool), `${shown(pool)} is no pool of the task: ${among.join(", ")}`);
        return pool;
      }),
    ...optional(own, rule, {
      ask: (asked: readonly number[], _job: JobView, among: readonly number[]) => {
        const isRight = asked.length > 0 && asked.every((pool) => among.includes(pool));
        must(isRight, `${shown(asked)} are no pools of the task: ${among.join(", ")}`);
      },
      shares: (weights: readonly number[], asked: readonly number[]) => {
        const isRight = weights.length === asked.length && weights.every((each) => each >= 0);
        must(isRight, `${shown(weights)} are no ${asked.length} weights from 0`);
      },
      fed: null,
    }),
  };
}

function guardShedding(own: Guarded, rule: Shedding): Shedding {
  return (job, replica, size, nowUs) =>
    called(own, "the rule", () => rule(job, replica, size, nowUs) === true);
}

function guardScaling(own: Guarded, rule: Scaling): Scaling {
  called(own, "create", () => {
    for (const name of ["intervalUs", "min", "max", "start", "downWindowUs"] as const) {
      must(rule[name] >= 0, `${name} is ${shown(rule[name])}, not a number from 0`);
    }
    must(rule.intervalUs >= 1, `intervalUs is ${rule.intervalUs}, not from 1`);
  });
  return {
    ...rule,
    replicas: (view) =>
      called(own, "replicas", () => {
        const wanted = rule.replicas(view);
        must(isWhole(wanted, 0), `${shown(wanted)} is no whole number of replicas`);
        return wanted;
      }),
  };
}

const HEARS = ["waits", "arrived", "queued", "finished", "ended", "changed", "residency", "fed"];
const FLAGS = [
  "preempts",
  "loads",
  "windows",
  "proceeds",
  "imputes",
  "heedsResources",
  "placesModels",
] as const;
const DECIDES = ["begin", "woken", "decide", "settled"];

/** Methods that it lacks stay absent, for nobody calls them; only `decide` is there always. */
function guardController(own: Guarded, controller: Controller): Controller {
  const { pools = [], scales = [], timers = 0 } = controller;
  called(own, "create", () => {
    must(
      Array.isArray(pools) && Array.isArray(scales),
      "pools and scales are lists of pool numbers",
    );
    must(isWhole(timers, 0), `timers is ${shown(timers)}, not a whole number from 0`);
  });
  const methods = controller as unknown as Record<string, (...args: unknown[]) => unknown>;
  const present = (names: readonly string[]): string[] =>
    names.filter((name) => typeof methods[name] === "function");
  // An event is told to all before anything fails, so that another scheduler can take over.
  let failure: unknown = null;
  const hears = present(HEARS).map((name) => [
    name,
    (...args: unknown[]) => {
      try {
        return called(own, name, () => methods[name].apply(controller, args));
      } catch (error) {
        failure ??= error;
        return undefined;
      }
    },
  ]);
  let checked: { readonly act: Controls; readonly by: Controls } | null = null;
  const decides = [...new Set([...present(DECIDES), "decide"])].map((name) => [
    name,
    (...args: unknown[]) => {
      if (failure !== null) throw failure;
      if (typeof methods[name] !== "function") return undefined;
      const act = args.at(-1) as Controls;
      // `settled` gives no commands, and its last argument is the view.
      if (name === "settled") return called(own, name, () => methods[name].apply(controller, args));
      const view = args.at(-2) as ClusterView;
      if (checked?.act !== act) checked = { act, by: checkedControls(act, view, timers) };
      const { by } = checked;
      return called(own, name, () => methods[name].apply(controller, [...args.slice(0, -1), by]));
    },
  ]);
  return {
    ...{ pools, scales, timers },
    ...Object.fromEntries(FLAGS.flatMap((name) => (controller[name] ? [[name, true]] : []))),
    ...Object.fromEntries([...hears, ...decides]),
  };
}

/** Numbers that a command names, so that an unknown one is called that. */
const NAMES: Readonly<
  Record<Exclude<keyof Controls, "wakeAt" | "hasWindows">, readonly (Numbered | null)[]>
> = {
  start: ["replica"],
  startNext: ["replica"],
  assign: [null, "replica"],
  drop: [],
  move: [null, "pool"],
  proceed: [],
  enter: [],
  preempt: ["replica"],
  setBatch: ["replica"],
  setReplicas: ["pool"],
  order: ["replica"],
  release: ["replica"],
  load: [null, "model"],
  evict: [null, "model"],
};

type Numbered = "replica" | "pool" | "model";

function checkedControls(act: Controls, view: ClusterView, timers: number): Controls {
  const { replicas, pools, models } = view.system;
  const counts = { replica: replicas.length, pool: pools.length, model: models.length };
  const commands = act as unknown as Record<string, (...args: unknown[]) => unknown>;
  const checked = Object.entries(NAMES).map(([command, names]) => [
    command,
    (...args: unknown[]) => {
      names.forEach((kind, i) => {
        if (kind === null) return;
        const known = isWhole(args[i], 0) && (args[i] as number) < counts[kind];
        const range = `${kind}s are numbered 0 to ${counts[kind] - 1}`;
        must(known, `${command}(): there is no ${kind} ${shown(args[i])}; ${range}`);
      });
      try {
        return commands[command].apply(act, args);
      } catch (error) {
        if (error instanceof Fault) throw error;
        throw new Error(`${command}(${args.map(shown).join(", ")}): ${messageOf(error)}`, {
          cause: error,
        });
      }
    },
  ]);
  return {
    ...(Object.fromEntries(checked) as unknown as Omit<Controls, "wakeAt">),
    hasWindows: act.hasWindows,
    wakeAt: (timer, atUs) => {
      must(
        isWhole(timer, 0) && timer < timers,
        `wakeAt(): there is no timer ${shown(timer)} of ${timers}`,
      );
      must(
        atUs > view.nowUs,
        `wakeAt(): ${shown(atUs)} µs is not later than now, ${view.nowUs} µs`,
      );
      act.wakeAt(timer, atUs);
    },
  };
}

function isWhole(value: unknown, least: number): boolean {
  return Number.isInteger(value) && (value as number) >= least;
}

function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}
