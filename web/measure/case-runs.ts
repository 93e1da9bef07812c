/** The 2020 report's test cases (Table 5.1): n requests at once against 1, n/2 and n replicas of each task. */
import type { GatewayStatus } from "../../library/browser.ts";
import { replicasOf, tasksOf } from "../shared/api.ts";
import type { Client } from "../shared/client.ts";
import { inOpenQueue, type Measuring } from "./measuring.ts";
import type { Picture } from "./pictures.ts";

export interface TestCase {
  readonly name: string;
  readonly requests: number;
  /** Replicas of each task. */
  readonly replicas: number;
}

export interface CaseResult extends TestCase {
  /** Until all requests were answered; one for each trial. */
  readonly makespansMs: readonly number[];
  readonly failed: number;
}

/** n is even and at least 2. */
export function casesOf(n: number): readonly TestCase[] {
  return [
    { name: "Baseline", requests: 1, replicas: 1 },
    { name: "1 for n", requests: n, replicas: 1 },
    { name: "n/2 for n", requests: n, replicas: n / 2 },
    { name: "n for n (optimum)", requests: n, replicas: n },
  ];
}

export interface CaseRuns {
  readonly client: Client;
  readonly measuring: Measuring;
  readonly model: string;
  readonly pictures: readonly Picture[];
  readonly trials: number;
  readonly signal: AbortSignal;
  readonly onStep: (text: string) => void;
  readonly onResult: (result: CaseResult) => void;
}

/** Runs the cases, and gives the deployment its replicas back. Rejects with an Error where it cannot. */
export async function runCases(cases: readonly TestCase[], runs: CaseRuns): Promise<void> {
  const { client, signal, onStep } = runs;
  const before = await countsOf(client);
  try {
    await inOpenQueue(client, async () => {
      for (const one of cases) await runCase(one, Object.keys(before), runs);
    });
  } finally {
    onStep("Giving the deployment its replicas back …");
    await setReplicas(client, before);
    onStep("");
  }
  signal.throwIfAborted();
}

async function runCase(one: TestCase, tasks: readonly string[], runs: CaseRuns): Promise<void> {
  const { client, measuring, model, pictures, trials, signal, onStep, onResult } = runs;
  onStep(`${one.name}: ${one.replicas} of each task …`);
  const counts = Object.fromEntries(tasks.map((task) => [task, one.replicas]));
  await setReplicas(client, counts, signal);
  const makespansMs: number[] = [];
  let failed = 0;
  for (let trial = 1; trial <= trials; trial++) {
    signal.throwIfAborted();
    onStep(`${one.name}: trial ${trial} of ${trials} …`);
    const workload = { arrivals: "burst", requests: one.requests };
    const { answers, problem } = await measuring.run(client, true, { model, workload, pictures });
    if (problem !== null) throw new Error(problem);
    makespansMs.push(Math.max(...answers.map(({ endedMs }) => endedMs)));
    failed += answers.filter(({ outcome }) => outcome !== "completed").length;
    onResult({ ...one, makespansMs: [...makespansMs], failed });
  }
}

type Counts = Readonly<Record<string, number>>;

async function countsOf(client: Client): Promise<Counts> {
  const status = await client.json<GatewayStatus>("/status");
  const counts = tasksOf(status).map((task) => [task, replicasOf(status, task).length]);
  return Object.fromEntries(counts);
}

/** Adds and removes replicas, one after the other, until each task has as many as asked for. */
export async function setReplicas(
  client: Client,
  counts: Counts,
  signal?: AbortSignal,
): Promise<void> {
  for (const [task, count] of Object.entries(counts)) {
    for (;;) {
      signal?.throwIfAborted();
      const { replicas } = await client.json<{ replicas: { name: string; task: string }[] }>(
        "/v1/replicas",
      );
      const own = replicas.filter((replica) => replica.task === task);
      if (own.length === count) break;
      if (own.length < count) {
        await client.json("/v1/replicas", { method: "POST", body: { task } });
      } else {
        const { name } = own[own.length - 1];
        await client.json(`/v1/replicas/${encodeURIComponent(name)}`, { method: "DELETE" });
      }
    }
  }
}
