/** How soon V8 looks at a function again, to compile it better. */
import { versions } from "node:process";

/**
 * V8's options for a look after so many bytes of bytecode (its own: 67,584). Only Node 20's V8 has
 * this option; later ones count calls, and Node does not start with an option that it does not know.
 */
export function interruptBudget(bytes: number, node = versions.node): readonly string[] {
  return node.startsWith("20.") ? [`--interrupt-budget=${bytes}`] : [];
}
