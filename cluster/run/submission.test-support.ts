import type { Submission } from "./live-request.ts";

/** A request of the first pipeline, without anything that a client may add. */
export const SUBMISSION: Submission = {
  pipeline: 0,
  payload: new Uint8Array(100),
  index: null,
  intendedUs: null,
  answer: () => undefined,
};
