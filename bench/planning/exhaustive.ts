/**
 * Every combination of a generated problem, simulated in full. Placements are listed node by node and priced by the
 * compiled system, so nothing here is of the planner's own space.
 */

import { expectedRequests } from "../../engine/arrivals/arrival-source.ts";
import { finished } from "../../engine/basics/iterables.ts";
import {
  type Alternative,
  alternativeOf,
  choiceOf,
  withBatches,
} from "../../planning/contenders.ts";
import { scoreOf } from "../../planning/outlook.ts";
import { makePlans, type Plan } from "../../planning/plan.ts";
import { askedOf } from "../../planning/question.ts";
import { relaxationS } from "../../planning/settling.ts";
import { Space } from "../../planning/space.ts";
import type { Solver } from "../../planning/standing.ts";
import { Laboratory } from "../../planning/trial.ts";
import { goalsOf } from "../../results/slo.ts";
import { checkMemory } from "../../scenario/checks/check-cluster.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { parseScenario } from "../../scenario/parse.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { checkScheduler } from "../../schedulers/check-scheduler.ts";
import type { PlanningProblem } from "./problems.ts";

const NO_INPUTS = { profiles: {}, traces: {} };
/** Beside the answer, as many as a plan names. */
const RUNNERS_UP = 2;
/** Probability of a wrong yes over all confirmations, as that of a plan. */
const FAMILY_ERROR = 0.025;

interface Exhausted {
  /** The least that fresh requests confirm; null without one. */
  readonly cost: number | null;
  readonly requests: number;
  /** With those of all dearer combinations, which are not simulated. */
  readonly ofAll: number;
}

interface Combination {
  readonly cost: number;
  readonly document: ScenarioDocument;
  /** As a plan's: of queues that take so long to settle, longer runs confirm. */
  readonly queueS: number;
}

/** From the cheapest price up to the first at which one is confirmed, and on to two others that keep the goals. */
export function exhausted(problem: PlanningProblem): Exhausted {
  const { document } = loadedProblem(problem);
  const goals = goalsOf(document);
  const laboratory = new Laboratory(NO_INPUTS);
  const order = combinations(document, problem.schedulers).sort((a, b) => a.cost - b.cost);
  let confirmations = 0;
  let found: number | null = null;
  let others = 0;
  let start = 0;
  while (start < order.length && (found === null || others < RUNNERS_UP)) {
    const { cost } = order[start];
    const level = order.slice(start).filter((one) => one.cost === cost);
    start += level.length;
    const scored = level.map((one) => {
      const trial = finished(laboratory.start(one.document, goals));
      finished(laboratory.extend(trial, one.document.run.replications));
      return { ...one, score: scoreOf(trial) };
    });
    const hopeful = scored.filter(({ score }) => score >= 0).sort((a, b) => b.score - a.score);
    for (const { document: one, queueS } of hopeful) {
      if (found !== null) {
        others++;
        continue;
      }
      const error = FAMILY_ERROR / ++confirmations / (confirmations + 1);
      if (finished(laboratory.confirm(one, goals, error, queueS)).meets) found = cost;
    }
  }
  const { requests } = laboratory;
  const each = expectedRequests(order[0].document.workload) * document.run.replications;
  return { cost: found, requests, ofAll: requests + each * (order.length - start) };
}

/** The planner's answer, with its defaults. */
export function planned(problem: PlanningProblem, solve: Solver): Plan {
  const { schedulers } = problem;
  const options = { mostReplicas: 64, schedulers, solve };
  return finished(makePlans(loadedProblem(problem), NO_INPUTS, options))[0];
}

function loadedProblem({ text }: PlanningProblem) {
  return parseScenario(text, "s.yaml", () => "", {}, { checkScheduler });
}

/** As a plan is asked for by default: of the peak, in the long run. */
function combinations(given: ScenarioDocument, presets: readonly string[]): Combination[] {
  const whole = [{ load: {}, choice: {}, document: given }];
  const { combinations: asked, promise } = askedOf(whole, NO_INPUTS, {});
  const [{ document }] = asked;
  const { nodes = [] } = document.cluster;
  const tasks = Object.keys(document.cluster.replicas);
  const slots = nodes.map(({ count, devices }) => {
    const [device] = Object.values(devices);
    return count * (typeof device === "number" ? device : device.slots);
  });
  const alternatives = alternativesOf(document, presets);
  const found: Combination[] = [];
  for (const rows of placements(slots, tasks.length)) {
    const placement = rows.flatMap((row, t) =>
      row.flatMap((replicas, n) =>
        replicas === 0 ? [] : [{ task: tasks[t], node: nodes[n].name, replicas }],
      ),
    );
    const machines = nodes.flatMap((node, n) => {
      const perMachine = slots[n] / node.count;
      const count = Math.ceil(rows.reduce((sum, row) => sum + row[n], 0) / perMachine);
      return count === 0 ? [] : [{ ...node, count }];
    });
    const replicas = Object.fromEntries(
      tasks.map((task, t) => [task, rows[t].reduce((sum, count) => sum + count, 0)]),
    );
    const cluster = { ...document.cluster, nodes: machines, placement, replicas };
    if ([...checkMemory({ ...document, cluster })].length > 0) continue;
    for (const alternative of alternatives) {
      const one = { ...alternative.document, cluster };
      const { costPerHour } = compileSystem(one, NO_INPUTS);
      // Sums of prices differ in their last digits by the order of their terms.
      const cost = Number(costPerHour.toFixed(9));
      // Each node of a generated problem is a kind of devices.
      const queueS = promise === "long-run" ? relaxationS({ alternative, shape: { rows } }) : 0;
      found.push({ cost, document: one, queueS });
    }
  }
  return found;
}

/** Replicas of each task on each node, all ways that leave none without. */
function* placements(slots: readonly number[], tasks: number): Generator<readonly number[][]> {
  if (tasks === 0) {
    yield [];
    return;
  }
  const row = slots.map(() => 0);
  for (;;) {
    let node = 0;
    while (node < row.length && row[node] === slots[node]) row[node++] = 0;
    if (node === row.length) return;
    row[node]++;
    const left = slots.map((free, i) => free - row[i]);
    for (const others of placements(left, tasks - 1)) yield [[...row], ...others];
  }
}

function alternativesOf(
  document: ScenarioDocument,
  presets: readonly string[],
): readonly Alternative[] {
  const tasks = Object.keys(document.cluster.replicas);
  const bounds = { low: tasks.map(() => 1), high: tasks.map(() => 64) };
  const space = new Space(document, bounds);
  const choice = choiceOf(document, NO_INPUTS, space, goalsOf(document));
  const plain = presets.map((scheduler) => alternativeOf({ ...document, scheduler }, {}, choice));
  return [...plain, ...withBatches(alternativeOf(document, {}, choice)).alternatives];
}
