/** Node's own program, whatever program runs this: child processes get settings of Node's V8. */

/** Whether this runs in Node itself, and not in a program that offers Node's modules. */
export function isNode(): boolean {
  const { deno, bun } = process.versions as { readonly deno?: string; readonly bun?: string };
  return deno === undefined && bun === undefined;
}

/** The path of Node's program; its name, to be found on the PATH, where another program runs this. */
export function nodeProgram(): string {
  return isNode() ? process.execPath : "node";
}
