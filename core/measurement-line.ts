/** The form of a measurement, between the web app and those who send for it. */
import type { Outcome } from "./dispatch/driver.ts";

/** The answer to `POST /v1/measure`: a line of JSON for each request, as it ends. */
export type MeasurementLine =
  | { readonly kind: "start"; readonly timedBy: string }
  | { readonly kind: "beat"; readonly sent: number; readonly ended: number }
  | ({ readonly kind: "answer" } & AnsweredRequest)
  | { readonly kind: "end"; readonly sent: number; readonly delayP99Ms: number }
  | { readonly kind: "error"; readonly error: string; readonly hint?: string };

export interface AnsweredRequest {
  readonly request: number;
  /** Number of its payload; null without payloads. */
  readonly payload: number | null;
  /** Since the workload's time 0: when it was due, when it was sent, when it ended. */
  readonly dueMs: number;
  readonly sentMs: number;
  readonly endedMs: number;
  /** "timed out": the sender gave it up. */
  readonly outcome: Outcome | "timed out";
  readonly error?: string;
  /** The answer's JSON; absent for a failure, or an answer that is too large to show. */
  readonly body?: string;
}
