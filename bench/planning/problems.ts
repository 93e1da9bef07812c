/**
 * Planning problems small enough to simulate every combination: drawn from fixed seeds, so that nobody
 * chose them to please a planner, and the two-task problem that a plan without placements gets wrong.
 */
import { RandomStream } from "../../engine/random/stream.ts";

export interface PlanningProblem {
  readonly name: string;
  readonly text: string;
  readonly schedulers: readonly string[];
}

const TWO_TASKS = `
name: two-tasks
pipelines:
  p:
    slo: { latencyMs: 300, percentile: 99 }
    tasks: { pre: { model: pre }, big: { model: big, after: [pre] } }
models:
  pre: { service: { distribution: deterministic, meanMs: 5 } }
  big: { service: { distribution: lognormal, meanMs: 60, cv: 0.5 } }
cluster:
  nodes:
    - { name: gpu, count: 4, devices: { gpu: 1 }, costPerHour: 2.5 }
    - { name: cpu, count: 4, devices: { cpu: { slots: 1, speed: 0.25 } }, costPerHour: 0.1 }
  replicas: { pre: 1, big: 1 }
workload: { arrivals: poisson, ratePerS: 5, requests: 1200, warmupS: 5 }
run: { seed: 1, replications: 5 }
`;

/** The first problem is that of two tasks, the others are drawn. */
export function planningProblems(count: number): readonly PlanningProblem[] {
  const schedulers = ["fifo", "join-shortest-queue", "random"];
  const drawn = Array.from({ length: count - 1 }, (_, i) => {
    const name = `drawn-${i + 1}`;
    return { name, text: drawnProblem(name, i), schedulers };
  });
  return [{ name: "two-tasks", text: TWO_TASKS, schedulers }, ...drawn].slice(0, count);
}

/**
 * One to three tasks, in a row or with a branch; fast and slow nodes, every third problem with memory,
 * every fourth with interruptions of the cheap ones, every fifth with batches; of those from `FIRST_CHANGING` on,
 * every fifth with a ramp to its load and back.
 */
const FIRST_CHANGING = 24;

function drawnProblem(name: string, i: number): string {
  const draws = new RandomStream(String(i), "planning-problem");
  const between = (low: number, high: number): number => low + (high - low) * draws.uniform();
  const oneOf = <T>(...values: readonly T[]): T =>
    values[Math.floor(draws.uniform() * values.length)];
  const tasks = ["a", "b", "c"].slice(0, i % 4 === 0 ? 3 : i % 7 === 6 ? 1 : 2);
  const means = tasks.map(() => Math.round(between(5, 60)));
  const speed = oneOf(0.2, 0.3, 0.5, 0.7);
  const hasMemory = i % 3 === 2;
  const isInterrupted = i % 4 === 3;
  const batch = i % 5 === 4 ? ", batch: { marginal: 0.4, max: 2 }" : "";
  const models = tasks.map((task, t) => {
    const service = oneOf("gamma", "lognormal");
    const memory = hasMemory ? `, memoryMb: ${oneOf(2000, 6000)}` : "";
    const cv = between(0.2, 0.9).toFixed(2);
    return `  ${task}: { service: { distribution: ${service}, meanMs: ${means[t]}, cv: ${cv}${batch} }${memory} }`;
  });
  const chain = tasks.map((task, t) => {
    const after = t === 0 ? "" : `, after: [${tasks[oneOf(t - 1, 0)]}]`;
    const when = t > 0 && draws.uniform() < 0.4 ? ", when: { probability: 0.6 }" : "";
    return `${task}: { model: ${task}${after}${when} }`;
  });
  const total = means.reduce((sum, mean) => sum + mean, 0);
  const ratePerS = (between(0.5, 1.5) * 1000) / Math.max(...means);
  const goalMs = Math.round(total * between(2.5, 7));
  const memory = (mb: number): string => (hasMemory ? `, memoryMb: ${mb}` : "");
  const fastSlots = tasks.length === 3 ? 1 : oneOf(1, 2);
  const faults = isInterrupted
    ? "faults: { detection: { intervalMs: 0, timeoutMs: 0, failures: 1 }, random: [{ kind: crash, node: slow, mtbfS: 120, mttrS: 2 }] }\n"
    : "";
  const rate = ratePerS.toFixed(2);
  const lengthS = Math.ceil(1200 / ratePerS);
  const peak = { atS: lengthS / 2, ratePerS: rate };
  const rates = [0, lengthS].map((atS) => ({ atS, ratePerS: (0.3 * ratePerS).toFixed(2) }));
  const shown = [rates[0], peak, rates[1]].map(
    (one) => `{ atS: ${one.atS}, ratePerS: ${one.ratePerS} }`,
  );
  const isChanging = i >= FIRST_CHANGING && i % 5 === 0;
  const workload = isChanging
    ? `{ arrivals: ramp, rates: [${shown.join(", ")}], durationS: ${lengthS} }`
    : `{ arrivals: poisson, ratePerS: ${rate}, requests: 1200, warmupS: 5 }`;
  return `
name: ${name}
pipelines:
  p: { slo: { latencyMs: ${goalMs}, percentile: ${oneOf(90, 95, 99)} }, tasks: { ${chain.join(", ")} } }
models:
${models.join("\n")}
cluster:
  nodes:
    - { name: fast, count: ${fastSlots === 2 ? 2 : 3}, devices: { gpu: { slots: ${fastSlots}${memory(8000)} } }, costPerHour: ${between(1, 3).toFixed(2)} }
    - { name: slow, count: 3, devices: { cpu: { slots: 1, speed: ${speed}${memory(4000)} } }, costPerHour: ${between(0.1, 0.8).toFixed(2)} }
  replicas: { ${tasks.map((task) => `${task}: 1`).join(", ")} }
${faults}workload: ${workload}
run: { seed: ${i + 1}, replications: 5 }
`;
}
