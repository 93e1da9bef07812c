/** HiGHS, a solver of integer programs in WebAssembly: some tens of milliseconds to load, once in each thread. */
import type { Highs } from "highs";

let loading: Promise<Highs> | undefined;

export function loadHighs(): Promise<Highs> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Highs> {
  const { default: start } = await import("highs");
  // Its types differ between Node, where they are those of its CommonJS form, and bundlers.
  return (start as unknown as () => Promise<Highs>)();
}
