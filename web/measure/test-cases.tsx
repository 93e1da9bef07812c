/** The four test cases of the 2020 report (Table 5.1): n requests at once against 1, n/2 and n replicas of each task. */
import { useRef, useState } from "react";
import { Button } from "react-aria-components";
import type { GatewayStatus } from "../../library/browser.ts";
import { type Client, messageOf, replicasOf, setReplicas, tasksOf } from "../shared/client.ts";
import { useConnection } from "../shared/connection.ts";
import { mean, milliseconds } from "../shared/format.ts";
import { Head, NumberEntry, Problem } from "../shared/parts.tsx";
import { useUrlState } from "../shared/store.ts";
import { inOpenQueue, type Measuring, untilIdle } from "./measuring.ts";
import { type Picture, useLoad, usualToSend } from "./requests.ts";

interface TestCase {
  readonly name: string;
  readonly requests: number;
  /** Replicas of each task. */
  readonly replicas: number;
}

interface CaseResult extends TestCase {
  /** Until all requests were answered; one for each trial. */
  readonly makespansMs: readonly number[];
  readonly failed: number;
  /** Requests that were given up. */
  readonly late: number;
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

const TRIALS = 3;

/** `step` is null while no case runs. */
function useCases(measuring: Measuring, n: number, limitS: number) {
  const { client, models, deployed } = useConnection();
  const [model] = useUrlState("model", models[0] ?? "");
  const [results, setResults] = useState<readonly CaseResult[]>([]);
  const [step, setStep] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const abort = useRef<AbortController | null>(null);
  const run = async (): Promise<void> => {
    const control = new AbortController();
    abort.current = control;
    setResults([]);
    setProblem(null);
    setStep("Starting …");
    try {
      await runCases(casesOf(n), {
        client,
        measuring,
        model,
        limitS,
        pictures: await usualToSend(client, deployed, model),
        signal: control.signal,
        onStep: setStep,
        onResult: (result) =>
          setResults((before) => [...before.filter(({ name }) => name !== result.name), result]),
      });
    } catch (error) {
      if (!control.signal.aborted) setProblem(messageOf(error));
    }
    setStep(null);
  };
  const stop = (): void => {
    abort.current?.abort();
    measuring.stop();
  };
  return { results, step, problem, run, stop };
}

export function TestCases({ measuring }: { readonly measuring: Measuring }) {
  const { deployed, status } = useConnection();
  const most = Math.min(...Object.values(deployed?.room ?? { none: 0 }));
  const [asked, setAsked] = useUrlState("cases", "10");
  const n = Math.min(even(Number(asked) || 10), most - (most % 2));
  const [{ limitS }] = useLoad();
  const { results, step, problem, run, stop } = useCases(measuring, n, limitS);
  if (deployed === null || status === null) return null;
  return (
    <section className="card" aria-labelledby="cases">
      <h2 id="cases">The four test cases</h2>
      <p className="muted small">
        Table 5.1 of the 2020 report: the time until all of n requests at once are answered, mean of{" "}
        {TRIALS} trials, by replicas of each task. A request without an answer is given up after{" "}
        {limitS} s, as in <em>Send requests</em>. The deployment's own replicas come back
        afterwards.
      </p>
      <div className="row">
        <NumberEntry
          label="Requests (n)"
          value={n}
          onChange={(value) => setAsked(String(even(value)))}
          least={2}
          most={Math.max(2, most)}
          step={2}
          isDisabled={step !== null}
        />
        <Button className="button primary" isDisabled={step !== null || n < 2} onPress={run}>
          Run the four cases
        </Button>
        <Button className="button" isDisabled={step === null} onPress={stop}>
          Stop
        </Button>
      </div>
      {most < 10 && (
        <p className="muted small">
          This deployment has room for {most} replicas of each task: start it with{" "}
          <code>--spare 9</code> for n = 10.
        </p>
      )}
      <p role="status">{step}</p>
      <Problem text={problem} />
      {results.length > 0 && <CaseTable n={n} results={results} />}
    </section>
  );
}

function even(value: number): number {
  return Math.max(2, value - (value % 2));
}

interface CaseTableProps {
  readonly n: number;
  readonly results: readonly CaseResult[];
}

function CaseTable({ n, results }: CaseTableProps) {
  const [, ...columns] = casesOf(n);
  const titles = columns.map(({ name, replicas }) => `${name}: ${replicas} of each`);
  const cell = (name: string) => {
    const result = results.find((one) => one.name === name);
    if (result === undefined) return "…";
    const { makespansMs, failed, late } = result;
    const spread = `${milliseconds(Math.min(...makespansMs))} to ${milliseconds(Math.max(...makespansMs))}`;
    return (
      <>
        <strong>{milliseconds(mean(makespansMs))}</strong>
        <br />
        <span className="muted small">
          {makespansMs.length > 1 && spread}
          {failed > 0 && <span className="bad"> {failed} failed</span>}
          {late > 0 && <span className="bad"> {late} timed out</span>}
        </span>
      </>
    );
  };
  return (
    <div className="scroll">
      <table data-testid="cases">
        <Head columns={["Requests (n)", ...titles]} numeric={titles} />
        <tbody>
          <tr>
            <th scope="row">1 (baseline)</th>
            <td className="numeric">{cell("Baseline")}</td>
            <td colSpan={2} className="muted small">
              one request uses one replica of each
            </td>
          </tr>
          <tr>
            <th scope="row">{n}</th>
            {columns.map(({ name }) => (
              <td key={name} className="numeric">
                {cell(name)}
              </td>
            ))}
          </tr>
        </tbody>
      </table>
    </div>
  );
}

interface CaseRuns {
  readonly client: Client;
  readonly measuring: Measuring;
  readonly model: string;
  readonly pictures: readonly Picture[];
  /** A request without an answer is given up after this. */
  readonly limitS: number;
  readonly signal: AbortSignal;
  readonly onStep: (text: string) => void;
  readonly onResult: (result: CaseResult) => void;
}

/** Runs the cases, and gives the deployment its replicas back. Rejects with an Error where it cannot. */
async function runCases(cases: readonly TestCase[], runs: CaseRuns): Promise<void> {
  const { client, signal, onStep } = runs;
  const status = await client.json<GatewayStatus>("/status");
  const before = Object.fromEntries(
    tasksOf(status).map((task) => [task, replicasOf(status, task).length]),
  );
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
  const { client, measuring, model, pictures, limitS, signal, onStep, onResult } = runs;
  onStep(`${one.name}: ${one.replicas} of each task …`);
  const counts = Object.fromEntries(tasks.map((task) => [task, one.replicas]));
  await setReplicas(client, counts, signal);
  const limit = { client: { timeoutMs: limitS * 1000 } };
  const workload = { arrivals: "burst", requests: one.requests, ...limit };
  const makespansMs: number[] = [];
  let failed = 0;
  let late = 0;
  for (let trial = 1; trial <= TRIALS; trial++) {
    signal.throwIfAborted();
    onStep(`${one.name}: trial ${trial} of ${TRIALS} …`);
    const { answers, problem } = await measuring.run(client, true, { model, workload, pictures });
    signal.throwIfAborted();
    if (problem !== null) throw new Error(problem);
    makespansMs.push(Math.max(...answers.map(({ endedMs }) => endedMs)));
    const unanswered = answers.filter(({ outcome }) => outcome !== "completed");
    const givenUp = unanswered.filter(({ outcome }) => outcome === "timed out");
    late += givenUp.length;
    failed += unanswered.length - givenUp.length;
    onResult({ ...one, makespansMs: [...makespansMs], failed, late });
    // Requests that were given up would share the replicas with the next ones.
    if (givenUp.length > 0) await untilIdle(client);
  }
}
