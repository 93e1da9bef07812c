/** What a gateway that is told to end has taken and not answered yet. */
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../time/monotonic.ts";
import type { GatewayRun } from "./gateway-run.ts";

/** A gateway that ends is followed by another in about this time. */
export const RETRY_AFTER_DRAIN_MS = 1000;
/** For answers to be on their way before connections end. */
const LAST_ANSWERS_MS = 50;

/** Resolves when all requests are answered: those for whom the time is too short, with an error. */
export async function answerLastRequests(run: GatewayRun, drainMs: number): Promise<void> {
  await until(() => run.idle, drainMs);
  if (run.inSystem === 0) return;
  run.fail(() => true, {
    code: "unavailable",
    message: "this gateway was shut down before the request was answered",
    retryAfterMs: RETRY_AFTER_DRAIN_MS,
  });
  await sleep(LAST_ANSWERS_MS);
}
