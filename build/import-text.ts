/**
 * Loads code that arrives as text: the default export of a module of JavaScript. A module from text has
 * no folder, so it imports packages of Node alone, and its text is all that it is.
 */
import { Worker } from "node:worker_threads";

/** Rejects with what the module throws, or what V8 finds wrong with it. */
async function importText(name: string, text: string): Promise<unknown> {
  const url = `data:text/javascript;base64,${Buffer.from(text).toString("base64")}`;
  const thread = new Worker(NAMING, { eval: true, workerData: name }).on("error", () => undefined);
  thread.unref();
  let giveUp = (): void => undefined;
  const isIdle = new Promise<never>((_, reject) => {
    giveUp = () => reject(new Error("its top level awaits what never comes"));
  });
  // Else Node ends as if all were done.
  process.once("beforeExit", giveUp);
  try {
    const module = (await Promise.race([import(url), isIdle])) as { readonly default?: unknown };
    return module.default;
  } finally {
    process.off("beforeExit", giveUp);
    void thread.terminate();
  }
}

/** A module whose top level loops leaves no turn to say so, nor for a listener to Ctrl-C. */
const NAMING = `
const name = require("node:worker_threads").workerData;
const words = "has not been loaded for 2 s: look at its top level for a loop that does not end";
setTimeout(() => require("node:fs").writeSync(2, "tandem: " + name + " " + words + "\\n"), 2000);
`;

/** The values of several texts, by the same names; an error in place of a value that cannot be loaded. */
export async function importTexts<T>(
  texts: Readonly<Record<string, string>>,
  make: (name: string, exported: unknown) => T,
): Promise<ReadonlyMap<string, T>> {
  const made = new Map<string, T>();
  for (const [name, text] of Object.entries(texts)) {
    const exported = await importText(name, text).catch((error: unknown) =>
      error instanceof Error ? error : new Error(String(error)),
    );
    made.set(name, make(name, exported));
  }
  return made;
}
