/** The requests that a measurement sends. */
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
