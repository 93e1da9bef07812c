/** The load generator's process: two cores are few, so its event loop is its own. */
import { PreciseTimer } from "../precise-timer.ts";
import { reportProgress, runChild } from "../processes/child-side.ts";
import { InferenceClient } from "../protocol/client.ts";
import { InferStreams } from "../protocol/infer-streams.ts";
import { LoadGenerator } from "./load-generator.ts";
import type { LoadGo, LoadProgress, LoadSpecification } from "./specification.ts";
import { warmUp } from "./warm-up.ts";

const PROGRESS_MS = 250;

runChild<LoadSpecification, null>(async (specification) => {
  const client = new InferenceClient(specification.target, specification.access);
  await client.serverLive();
  const streams = new InferStreams(client);
  if (specification.warmUp) await warmUp(client, streams, specification);
  const timer = new PreciseTimer();
  const generator = new LoadGenerator(specification, client, streams, timer);
  process.once("message", (go: LoadGo) => {
    const ticker = setInterval(() => {
      report({ kind: "count", sent: generator.sent, ended: generator.ended });
    }, PROGRESS_MS);
    generator
      .run(go.startAtMonotonicNs / 1000)
      .then(
        (result) => report({ kind: "result", result }),
        (error: unknown) => report({ kind: "error", message: String(error) }),
      )
      .finally(() => clearInterval(ticker));
  });
  const close = (): void => {
    streams.close();
    client.close();
  };
  return { ready: null, stop: async () => close() };
});

function report(progress: LoadProgress): void {
  reportProgress(progress);
}
