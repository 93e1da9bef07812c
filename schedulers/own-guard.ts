/**
 * Guards around the policies of a user's file: what they throw, and answers that make no sense, become
 * a Fault that names the policy and the line. Built-in policies are tested instead, and have no guards.
 *
 *   called   fails at once: nothing is half-way where its rule is asked
 *   spared   in the middle of an event, which goes on with a harmless answer; its instant ends with the
 *            failure (`Failures`), so that no job is lost half-way and another scheduler can take over
 */

import { Fault } from "../engine/basics/fault.ts";
import type { ClusterView, Controller, Controls, JobView } from "../engine/dispatch/controller.ts";
import type { StartWindow } from "../engine/dispatch/driver.ts";
import type {
  Admission,
  Batching,
  Ordering,
  PoolView,
  Routing,
  Scaling,
  Selection,
  Shedding,
  VariantsView,
} from "../engine/dispatch/policies.ts";
import type { System } from "../engine/system/system.ts";
import type { Decision } from "../scenario/schema/scheduler.ts";
import type { AnyDefinition } from "./rules/policy-definition.ts";

/** Keeps the first failure of one scheduler in the middle of an event, until nothing is half-way. */
export class Failures implements Controller {
  readonly pools = [];
  readonly scales = [];
  readonly timers = 0;
  #first: unknown = null;

  note(failure: unknown): void {
    this.#first ??= failure;
  }

  decide(): void {
    if (this.#first !== null) throw this.#first;
  }

  settled(): void {
    this.decide();
  }
}

interface Guarded {
  /** The policy in messages: `mine.mjs: ordering policy "longest-first"`. */
  readonly label: string;
  readonly failures: Failures;
}

/** A policy of the user's `file`, guarded. Throws Fault("invalid-input") where its `create` fails. */
export function guarded(
  decision: Decision,
  { name, create }: AnyDefinition,
  parameters: unknown,
  context: { readonly system: System | null },
  { file, failures }: { readonly file: string; readonly failures: Failures },
): unknown {
  const kind = decision === "controller" ? "controller" : `${decision} policy`;
  const own: Guarded = { label: `${file}: ${kind} "${name}"`, failures };
  const made = called(own, "create", () => create(parameters, context as never));
  const isOptional = decision === "shedding" || decision === "scaling" || decision === "controller";
  if (made === undefined && isOptional) return undefined;
  called(own, "create", () => {
    const got = made === null ? "null" : typeof made;
    const expected = decision === "shedding" ? "function" : "object";
    must(got === expected, `it returned ${got}, not ${expected}`);
  });
  return GUARDS[decision](own, made as never, context.system as System);
}

// --- calls of the user's code -------------------------------------------------------------------

const OWN_FAILURES = new WeakSet<object>();

/** Whether code of the user failed, and not ours. */
export function isOwnFailure(error: unknown): boolean {
  return typeof error === "object" && error !== null && OWN_FAILURES.has(error);
}

/** The innermost call of the user's code that has not returned. */
let underWay: { readonly own: Guarded; readonly method: string } | null = null;

/** The call that Ctrl-C has broken off, in messages; null between calls. V8 runs no `finally` of such a call. */
export function brokenOffCall(): string | null {
  const call = underWay;
  underWay = null;
  return call === null ? null : `${call.own.label}, in ${call.method}`;
}

function called<T>(own: Guarded, method: string, run: () => T): T {
  const outer = underWay;
  underWay = { own, method };
  try {
    return run();
  } catch (error) {
    if (error instanceof Fault) throw error;
    const fault = new Fault("invalid-input", `${own.label}, in ${method}: ${thrown(error)}`, {
      hint: "`tandem check SCENARIO` plays it and prints the steps that lead there",
      cause: error,
    });
    OWN_FAILURES.add(fault);
    throw fault;
  } finally {
    underWay = outer;
  }
}

function spared<T>(own: Guarded, method: string, otherwise: T, run: () => T): T {
  try {
    return called(own, method, run);
  } catch (failure) {
    own.failures.note(failure);
    return otherwise;
  }
}

/** Those methods of a rule that are there, and only hear. */
function hearing<Rule extends object>(
  own: Guarded,
  rule: Rule,
  names: readonly (keyof Rule & string)[],
): Partial<Rule> {
  const methods = rule as Record<string, (...args: unknown[]) => unknown>;
  const entries = names
    .filter((name) => methods[name] !== undefined)
    .map((name) => [
      name,
      (...args: unknown[]) => spared(own, name, undefined, () => methods[name](...args)),
    ]);
  return Object.fromEntries(entries) as Partial<Rule>;
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
  const text = error.message
    .replace(/^assertion failed: /, "")
    .replace(/["']?data:text\/[^\s"']*["']?/g, "the file");
  return error.name === "Error" ? text : `${error.name}: ${text}`;
}

function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

function oneOf(name: string, value: unknown, allowed: readonly string[]): void {
  const isKnown = allowed.includes(value as string);
  must(isKnown, `${name} is ${shown(value)}, not ${allowed.map(shown).join(" or ")}`);
}

function wholeFrom(least: number, name: string, value: unknown): void {
  must(isWhole(value, least), `${name} is ${shown(value)}, not a whole number from ${least}`);
}

function isWhole(value: unknown, least: number): boolean {
  return Number.isInteger(value) && (value as number) >= least;
}

function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}

// --- rules --------------------------------------------------------------------------------------

function guardAdmission(own: Guarded, rule: Admission): Admission {
  return {
    dropsLate: rule.dropsLate === true,
    ...(rule.ceiling === undefined ? {} : { ceiling: rule.ceiling }),
    admit: (inSystem) =>
      spared(own, "admit", true, () => {
        const answer = rule.admit(inSystem);
        must(typeof answer === "boolean", `${shown(answer)} is neither true nor false`);
        return answer;
      }),
  };
}

function guardRouting(own: Guarded, rule: Routing): Routing {
  if (rule.kind === "central") {
    const { idle = "longest-idle" } = rule;
    called(own, "create", () => oneOf("idle", idle, ["longest-idle", "most-recent"]));
    return { kind: "central", idle };
  }
  const { needs = "nothing" } = rule;
  called(own, "create", () => {
    oneOf("kind", rule.kind, ["immediate", "central"]);
    oneOf("needs", needs, ["nothing", "length", "work"]);
  });
  return {
    kind: "immediate",
    needs,
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
    oneOf("kind", rule.kind, ["keyed", "fifo", "lifo"]);
  });
  return {
    kind: "keyed",
    key: (job) =>
      spared(own, "key", 0, () => {
        const key = rule.key(job);
        must(typeof key === "number" && !Number.isNaN(key), `${shown(key)} is no number`);
        return key;
      }),
    ...hearing(own, rule, ["taken", "left"]),
  };
}

function guardBatching(own: Guarded, rule: Batching): Batching {
  if (rule.kind === "single") return { kind: "single", maxBatch: 1 };
  called(own, "create", () => {
    oneOf("kind", rule.kind, ["group", "single"]);
    wholeFrom(1, "maxBatch", rule.maxBatch);
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
        const dueUs = Math.ceil(rule.dueUs(queue, replica));
        must(dueUs > askedUs, `${shown(dueUs)} µs is not later than now, ${askedUs} µs`);
        return dueUs;
      }),
    ...hearing(own, rule, ["ended"]),
  };
}

function guardSelection(own: Guarded, rule: Selection): Selection {
  const { ask, shares } = rule;
  const served = (among: readonly number[], view: VariantsView): number =>
    among.find((pool) => view.readyOf(pool) > 0) ?? among[0];
  return {
    choose: (job, among, view) =>
      spared(own, "choose", served(among, view), () => {
        const pool = rule.choose(job, among, view);
        must(among.includes(pool), `${shown(pool)} is no pool of the task: ${among.join(", ")}`);
        return pool;
      }),
    ...(ask && {
      ask: (job: JobView, among: readonly number[], view: VariantsView) =>
        spared(own, "ask", [served(among, view)], () => {
          const asked = ask.call(rule, job, among, view);
          const isRight = asked.length > 0 && asked.every((pool) => among.includes(pool));
          must(isRight, `${shown(asked)} are no pools of the task: ${among.join(", ")}`);
          return asked;
        }),
    }),
    ...(shares && {
      shares: (asked: readonly number[]) => {
        const equal = asked.map(() => 1 / asked.length);
        return spared(own, "shares", equal, () => {
          const weights = shares.call(rule, asked);
          const isRight = weights.length === asked.length && weights.every((each) => each >= 0);
          must(isRight, `${shown(weights)} are no ${asked.length} weights from 0`);
          return weights;
        });
      },
    }),
    ...hearing(own, rule, ["fed"]),
  };
}

function guardShedding(own: Guarded, rule: Shedding): Shedding {
  return (job, replica, size, nowUs) =>
    spared(own, "the rule", false, () => rule(job, replica, size, nowUs) === true);
}

function guardScaling(own: Guarded, rule: Scaling): Scaling {
  called(own, "create", () => {
    wholeFrom(1, "intervalUs", rule.intervalUs);
    wholeFrom(0, "min", rule.min);
    wholeFrom(0, "start", rule.start);
    for (const name of ["max", "downWindowUs"] as const) {
      must(rule[name] >= 0, `${name} is ${shown(rule[name])}, not a number from 0`);
    }
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

// --- controllers ---------------------------------------------------------------------------------

const HEARS = [
  ...(["waits", "arrived", "queued", "finished", "ended"] as const),
  ...(["changed", "residency", "fed", "settled"] as const),
];
const FLAGS = [
  "preempts",
  "loads",
  "windows",
  "proceeds",
  "imputes",
  "heedsResources",
  "placesModels",
] as const;
const DECIDES = ["begin", "woken", "decide"];

/** Methods that it lacks stay absent, for nobody calls them. */
function guardController(own: Guarded, controller: Controller, system: System): Controller {
  const { pools = [], scales = [], timers = 0 } = controller;
  called(own, "create", () => {
    const last = system.pools.length - 1;
    for (const [name, list] of Object.entries({ pools, scales })) {
      const isKnown = Array.isArray(list) && list.every((pool) => isWhole(pool, 0) && pool <= last);
      must(isKnown, `${name} is no list of pools, 0 to ${last}`);
    }
    wholeFrom(0, "timers", timers);
  });
  const methods = controller as unknown as Record<string, (...args: unknown[]) => unknown>;
  let checked: Controls | null = null;
  const decides = DECIDES.filter((name) => typeof methods[name] === "function").map((name) => [
    name,
    (...args: unknown[]) => {
      const [view, act] = args.slice(-2) as [ClusterView, Controls];
      checked ??= checkedControls(act, view, controller);
      const given = [...args.slice(0, -1), checked];
      return called(own, name, () => methods[name].apply(controller, given));
    },
  ]);
  return {
    pools,
    scales,
    timers,
    ...Object.fromEntries(FLAGS.flatMap((name) => (controller[name] ? [[name, true]] : []))),
    ...hearing(own, controller, HEARS),
    ...Object.fromEntries(decides),
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
  proceed: [],
  enter: [],
  preempt: ["replica"],
  setReplicas: ["pool"],
  order: ["replica"],
  release: ["replica"],
  load: ["slot", "model"],
  evict: ["slot", "model"],
};

type Numbered = "replica" | "pool" | "slot" | "model";

/** Without its promise the driver is not prepared for a command. */
const NEEDS: Readonly<Record<string, (typeof FLAGS)[number]>> = {
  preempt: "preempts",
  load: "loads",
  evict: "loads",
  proceed: "proceeds",
};

function checkedControls(act: Controls, view: ClusterView, controller: Controller): Controls {
  const { timers = 0, scales = [] } = controller;
  const { replicas, pools, models, devices } = view.system;
  const counts = {
    replica: replicas.length,
    pool: pools.length,
    slot: devices.length,
    model: models.length,
  };
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
      const window = command.startsWith("start") ? (args[2] as StartWindow | undefined) : undefined;
      for (const each of [...args, ...Object.values(window ?? {})].flat()) {
        const isNumber = typeof each !== "number" || Number.isInteger(each);
        must(isNumber, `${command}(): ${shown(each)} is no whole number`);
      }
      const flag = window === undefined ? NEEDS[command] : "windows";
      const promised = flag === undefined || controller[flag] === true;
      must(promised, `${command}(): the controller must have \`${flag}: true\``);
      if (["setReplicas", "order", "release"].includes(command)) {
        const [one, count = 0] = args as number[];
        const pool = command === "setReplicas" ? one : replicas[one].pool;
        const { name } = pools[pool];
        must(scales.includes(pool), `${command}(): ${name} is not in the controller's \`scales\``);
        must(count >= 0, `${command}(): ${shown(count)} is no number of replicas`);
      }
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
      const isKnown = isWhole(timer, 0) && timer < timers;
      must(isKnown, `wakeAt(): there is no timer ${shown(timer)} of ${timers}`);
      const isLater = atUs > view.nowUs;
      must(isLater, `wakeAt(): ${shown(atUs)} µs is not later than now, ${view.nowUs} µs`);
      act.wakeAt(timer, Math.ceil(atUs));
    },
  };
}

type Guard = (own: Guarded, made: never, system: System) => unknown;

const GUARDS: Readonly<Record<Decision, Guard>> = {
  admission: guardAdmission,
  routing: guardRouting,
  ordering: guardOrdering,
  batching: guardBatching,
  selection: guardSelection,
  shedding: guardShedding,
  scaling: guardScaling,
  controller: guardController,
};
