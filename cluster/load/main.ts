/** The load generator's process: two cores are few, so its event loop is its own. */
import { Fault } from "../../core/fault.ts";
import { reportProgress, runChild } from "../processes/child-side.ts";
import { PreciseTimer } from "../time/precise-timer.ts";
import { LoadGenerator } from "./load-generator.ts";
import type { LoadGo, LoadProgress, LoadSpecification } from "./specification.ts";
import { openTarget } from "./target.ts";
import { warmUp } from "./warm-up.ts";

const PROGRESS_MS = 250;

runChild<LoadSpecification, null>(async (specification) => {
  const target = await openTarget(specification);
  await target.connect();
  if (specification.warmUp) await warmUp(target, specification);
  const timer = new PreciseTimer();
  const generator = new LoadGenerator(specification, target, timer);
  process.once("message", (go: LoadGo) => {
    const ticker = setInterval(() => {
      report({ kind: "count", sent: generator.sent, ended: generator.ended });
    }, PROGRESS_MS);
    generator
      .run(go.startAtMonotonicNs / 1000)
      .then(
        (result) => report({ kind: "result", result }),
        (error: unknown) => report(failureOf(error)),
      )
      .finally(() => clearInterval(ticker));
  });
  return { ready: null, stop: () => target.close() };
});

function failureOf(error: unknown): LoadProgress {
  if (!(error instanceof Fault)) return { kind: "error", message: String(error) };
  const { message, hint } = error;
  return { kind: "error", message, ...(hint === undefined ? {} : { hint }) };
}

function report(progress: LoadProgress): void {
  reportProgress(progress);
}
