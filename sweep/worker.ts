/** Entry point of a simulation thread: `simulation-thread.ts`, from the bundle. */
const bundle = new URL("../bundle/simulation-thread.js", import.meta.url).href;
export const { group, part } = (await import(bundle)) as typeof import("./simulation-thread.ts");
