/** Entry point of a simulation thread: `simulation-thread.ts`, from its bundle where there is one. */
import { loadBundle } from "../build/load-bundle.ts";

type Thread = typeof import("./simulation-thread.ts");

export const { group, part } =
  (loadBundle("simulation-thread")?.exports as Thread | undefined) ??
  (await import("./simulation-thread.ts"));
