/** What is sent in a measurement, and the lines that come back. */
import type { Scene } from "../shared/api.ts";
import type { Workload } from "./workload.ts";

/** A picture to send. */
export interface Picture {
  readonly name: string;
  /** In base64, as it is sent. */
  readonly data: string;
  /** An address that an image element takes. */
  readonly source: string;
  readonly truth: Pick<Scene, "car" | "plate"> | null;
}

export interface Request {
  readonly model: string;
  readonly workload: Workload;
  readonly pictures: readonly Picture[];
}

/** A line of the stream; `cluster/rest/measurement.ts` writes it. */
export type Line =
  | { readonly kind: "start"; readonly timedBy: string }
  | { readonly kind: "beat"; readonly sent: number; readonly ended: number }
  | ({ readonly kind: "answer" } & AnswerLine)
  | { readonly kind: "end"; readonly sent: number; readonly delayP99Ms: number }
  | { readonly kind: "error"; readonly error: string; readonly hint?: string };

export interface AnswerLine {
  readonly request: number;
  /** The picture's number; null without pictures. */
  readonly payload: number | null;
  readonly dueMs: number;
  readonly sentMs: number;
  readonly endedMs: number;
  readonly outcome: string;
  readonly error?: string;
  readonly body?: string;
}
