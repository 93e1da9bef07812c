/**
 * Loads code that arrives as text: the default export of a module of JavaScript. A module from text has
 * no folder, so it imports packages of Node alone, and its text is all that it is.
 */

/** Rejects with what the module throws, or what V8 finds wrong with it. */
async function importText(text: string): Promise<unknown> {
  const url = `data:text/javascript;base64,${Buffer.from(text).toString("base64")}`;
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
  }
}

/** The values of several texts, by the same names; an error in place of a value that cannot be loaded. */
export async function importTexts<T>(
  texts: Readonly<Record<string, string>>,
  make: (name: string, exported: unknown) => T,
): Promise<ReadonlyMap<string, T>> {
  const made = new Map<string, T>();
  for (const [name, text] of Object.entries(texts)) {
    const exported = await importText(text).catch((error: unknown) =>
      error instanceof Error ? error : new Error(String(error)),
    );
    made.set(name, make(name, exported));
  }
  return made;
}
