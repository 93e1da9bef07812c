/**
 * Planning problems too large to exhaust: the one of a new user at several loads, and drawn ones of eight tasks on ten
 * kinds of 50 machines. `tandem plan` gets each as a file, with default options, in a process of its own.
 */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RandomStream } from "../../engine/random/stream.ts";
import type { PlanEntry } from "../../planning/plan.ts";

const TANDEM = fileURLToPath(new URL("../../cli/tandem.js", import.meta.url));

interface LargeProblem {
  readonly name: string;
  readonly text: string;
}

/** How the plan of one problem went; null for a figure without an incumbent, or without Linux. */
export interface LargeAnswer {
  readonly name: string;
  readonly state: string;
  readonly cost: number | null;
  readonly gap: number | null;
  readonly seconds: number;
  readonly firstIncumbentS: number | null;
  /** Most memory of the command, without its solver's process, and of that. */
  readonly memoryMiB: readonly [number | null, number | null];
}

const KINDS = 10;
const MACHINES = 50;
const TASKS = 8;
const RATE_PER_S = 500;

const USER_LOADS = {
  ...Object.fromEntries(
    [12, 24, 60, 120].map((rate) => [
      `user-${rate}`,
      `{ arrivals: poisson, ratePerS: ${rate}, durationS: 300, warmupS: 30 }`,
    ]),
  ),
  "user-day": "{ arrivals: diurnal, ratePerS: 60, amplitude: 1, periodS: 600, durationS: 600 }",
};

/** Plans the problem with default options. */
export async function largeAnswer(
  { name, text }: LargeProblem,
  folder: string,
): Promise<LargeAnswer> {
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, text);
  const startMs = performance.now();
  const child = spawn(process.execPath, [TANDEM, "plan", file, "--json"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const seconds = (): number => Math.round((performance.now() - startMs) / 100) / 10;
  let [out, err] = ["", ""];
  let firstIncumbentS: number | null = null;
  let memoryMiB: LargeAnswer["memoryMiB"] = [null, null];
  const watch = setInterval(() => {
    memoryMiB = [mostMiB(child.pid) ?? memoryMiB[0], mostMiB(solverOf(child.pid)) ?? memoryMiB[1]];
  }, 200);
  child.stdout.setEncoding("utf8").on("data", (more: string) => {
    out += more;
  });
  child.stderr.setEncoding("utf8").on("data", (more: string) => {
    err += more;
    if (/, (not )?confirmed;/.test(err)) firstIncumbentS ??= seconds();
  });
  await new Promise((resolve) => child.once("close", resolve));
  clearInterval(watch);
  if (out === "") throw new Error(err);
  const { plans }: { plans: readonly PlanEntry[] } = JSON.parse(out);
  const [{ state, best, lowerBound }] = plans;
  const cost = best?.cost ?? null;
  const gap = cost === null ? null : 1 - lowerBound / cost;
  return { name, state, cost, gap, seconds: seconds(), firstIncumbentS, memoryMiB };
}

function solverOf(pid: number | undefined): string | undefined {
  return read(`/proc/${pid}/task/${pid}/children`)?.split(" ")[0];
}

/** Null once the process has ended, and where there is no /proc. */
function mostMiB(pid: number | string | undefined): number | null {
  const most = /VmHWM:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return most === undefined ? null : Math.round(Number(most) / 1024);
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** The five of a user, then drawn ones, every second with an SLO of less than three times the mean service time. */
export function largeProblems(count: number): readonly LargeProblem[] {
  const ofUser = Object.entries(USER_LOADS).map(([name, workload]) => {
    return { name, text: userProblem(name, workload) };
  });
  const drawn = Array.from({ length: Math.max(0, count - ofUser.length) }, (_, i) => {
    return { name: `large-${i + 1}`, text: drawnProblem(`large-${i + 1}`, i) };
  });
  return [...ofUser, ...drawn].slice(0, count);
}

function userProblem(name: string, workload: string): string {
  return `
name: ${name}
pipelines:
  p:
    slo: { latencyMs: 2500, percentile: 99 }
    tasks:
      ocr-ingest: { model: ocr }
      classify: { model: classify, after: [ocr-ingest] }
      embed: { model: embed, after: [ocr-ingest] }
      llm-summary: { model: llm, after: [classify, embed], when: { probability: 0.35 } }
models:
  ocr: { service: { distribution: lognormal, meanMs: 30, cv: 0.4 } }
  classify: { service: { distribution: lognormal, meanMs: 12, cv: 0.4 } }
  embed: { service: { distribution: lognormal, meanMs: 25, cv: 0.4 } }
  llm: { service: { distribution: lognormal, meanMs: 450, cv: 0.8 } }
cluster:
  nodes:
    - { name: gpu, count: 40, devices: { gpu: 1 }, costPerHour: 2.5 }
    - { name: cpu, count: 80, devices: { cpu: { slots: 1, speed: 0.2 } }, costPerHour: 0.2 }
  replicas: { ocr-ingest: 1, classify: 1, embed: 1, llm-summary: 1 }
workload: ${workload}
run: { seed: 1, replications: 5 }
`;
}

/** A task follows one or two of the three before it; each kind has a speed, and a price for it. */
function drawnProblem(name: string, i: number): string {
  const draws = new RandomStream(String(i), "large-planning-problem");
  const between = (low: number, high: number): number => low + (high - low) * draws.uniform();
  const means = Array.from({ length: TASKS }, () => Math.round(between(4, 60)));
  const models = means.map((mean, t) => {
    const service = `distribution: lognormal, meanMs: ${mean}, cv: ${between(0.2, 0.9).toFixed(2)}`;
    return `  m${t}: { service: { ${service} } }`;
  });
  const before = means.map((_, t) => {
    const ends = [1, 2].map(() => Math.max(0, t - 1 - Math.floor(between(0, 3))));
    return t === 0 ? [] : [...new Set(ends)].sort();
  });
  const tasks = before.map((ends, t) => {
    const after = t === 0 ? "" : `, after: [${ends.map((one) => `t${one}`).join(", ")}]`;
    return `      t${t}: { model: m${t}${after} }`;
  });
  const nodes = Array.from({ length: KINDS }, (_, k) => {
    const speed = between(0.15, 1);
    const price = speed * between(0.4, 1.2);
    const device = `d${k}: { slots: 1, speed: ${speed.toFixed(2)} }`;
    return `    - { name: k${k}, count: ${MACHINES}, devices: { ${device} }, costPerHour: ${price.toFixed(2)} }`;
  });
  const factor = i % 2 === 0 ? between(3, 5) : between(2, 3);
  const latencyMs = Math.round(factor * longestPath(means, before));
  return `
name: ${name}
pipelines:
  p:
    slo: { latencyMs: ${latencyMs}, percentile: 99 }
    tasks:
${tasks.join("\n")}
models:
${models.join("\n")}
cluster:
  nodes:
${nodes.join("\n")}
  replicas: { ${means.map((_, t) => `t${t}: 1`).join(", ")} }
workload: { arrivals: poisson, ratePerS: ${RATE_PER_S}, durationS: 60, warmupS: 5 }
run: { seed: ${i + 1}, replications: 5 }
`;
}

/** The mean service time of a request whose tasks all have a full speed. */
function longestPath(means: readonly number[], before: readonly (readonly number[])[]): number {
  const ends: number[] = [];
  for (const [t, mean] of means.entries())
    ends.push(mean + Math.max(0, ...before[t].map((one) => ends[one])));
  return Math.max(...ends);
}
