/**
 * Guards around the policies of a user's file: what they throw, and answers that make no sense, become
 * a Fault that names the policy and the line. Built-in policies are tested instead, and have no guards.
 */
import type { Controller, JobView } from "../core/dispatch/controller.ts";
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
} from "../core/dispatch/policies.ts";
import type { Decision } from "../core/scenario/schema/scheduler.ts";
import type { System } from "../core/system.ts";
import { guardController } from "./own-controller-guard.ts";
import {
  called,
  type Failures,
  type Guarded,
  hearing,
  isWhole,
  must,
  shown,
  spared,
} from "./own-failures.ts";
import type { AnyDefinition } from "./rules/policy-definition.ts";

interface Context {
  readonly system: System | null;
}

/** The same definition, whose policies are guarded. */
export function guarded(
  decision: Decision,
  definition: AnyDefinition,
  file: string,
  failures: Failures,
): AnyDefinition {
  const kind = decision === "controller" ? "controller" : `${decision} policy`;
  const own: Guarded = { label: `${file}: ${kind} "${definition.name}"`, failures };
  const create = definition.create as (parameters: unknown, context: Context) => unknown;
  return {
    ...definition,
    create: (parameters: unknown, context: Context) => {
      const made = called(own, "create", () => create(parameters, context));
      return guardOf(own, decision, made, context.system);
    },
  };
}

/** `system` is null only where a batching rule is asked for its largest batch. */
function guardOf(own: Guarded, decision: Decision, made: unknown, system: System | null): unknown {
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
      return guardController(own, made as Controller, system as System);
  }
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
