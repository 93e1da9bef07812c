/**
 * A model whose answer is a function of its input that nobody guesses: whoever knows what was sent
 * can tell whether the answer that came belongs to it.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { TaskInput, TaskModel, TaskOutput } from "./task-model.ts";

/** Answers each input with `fingerprintOf` it; a batch takes `holdMs`. */
export function openFingerprint({ holdMs = 0 }: { holdMs?: number }): TaskModel {
  return {
    provenance: {
      name: "fingerprint",
      files: [],
      source: "this project",
      license: "MIT",
      runtime: "none",
      provider: "none",
    },
    inputs: null,
    outputs: null,
    run: async (batch) => {
      if (holdMs > 0) await sleep(holdMs);
      return batch.map((input) => ({ labels: [], value: fingerprintOf(input) }));
    },
    close: async () => {},
  };
}

/** SHA-256 over the payload and the values of the tasks before, by name. */
export function fingerprintOf({
  payload,
  upstream,
}: Pick<TaskInput, "payload" | "upstream">): string {
  const hash = createHash("sha256").update(payload);
  for (const task of Object.keys(upstream).sort()) {
    hash.update(`\n${task}=${JSON.stringify((upstream[task] as TaskOutput).value)}`);
  }
  return hash.digest("base64url");
}
