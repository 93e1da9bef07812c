/** The load generator's process, so that it has an event loop of its own. */
import { failureMessage, reportProgress, runChild } from "../processes/child-side.ts";
import { PreciseTimer } from "../time/clock.ts";
import { LoadGenerator, warmUp } from "./load-generator.ts";
import type { LoadGo, LoadProgress, LoadSpecification, LoadTarget } from "./specification.ts";

const PROGRESS_MS = 250;

const report: (progress: LoadProgress) => void = reportProgress;

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
        (error: unknown) => report(failureMessage(error)),
      )
      .finally(() => clearInterval(ticker));
  });
  return { ready: null, stop: () => target.close() };
});

/** Loads only the packages of the target's kind. */
async function openTarget(specification: LoadSpecification): Promise<LoadTarget> {
  const { target } = specification;
  switch (target.kind) {
    case "grpc":
      return (await import("./grpc-target.ts")).grpcTarget(target, specification);
    case "http":
      return (await import("./http-target.ts")).httpTarget(target);
  }
}
