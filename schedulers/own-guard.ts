/** Guards around the policies of a user's file. Built-in policies are tested instead, and have no guards. */

import type { JobView } from "../engine/dispatch/controller.ts";
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
import {
  called,
  type Failures,
  type Guarded,
  hearing,
  isWhole,
  must,
  oneOf,
  shown,
  spared,
  wholeFrom,
} from "./own-calls.ts";
import { guardController } from "./own-controller-guard.ts";
import type { AnyDefinition } from "./rules/policy-definition.ts";

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
  called(own, "create", () => oneOf("kind", rule.kind, ["keyed", "fifo", "lifo"]));
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
