/** Entry point of a simulation thread: `simulation-thread.ts`, from the bundle where there is one. */
import { loadBundle } from "../build/load-bundle.ts";

type Thread = typeof import("./simulation-thread.ts");
/** The part of the bundle (`cli/program.ts`) that is used here. */
type Main = { simulationThread(): Promise<Thread> };

const main = loadBundle()?.exports as Main | undefined;
export const { group, part } = await (main?.simulationThread() ?? import("./simulation-thread.ts"));
