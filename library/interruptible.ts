/**
 * Ctrl-C, or an end of patience, while a scheduler of the user runs on this thread. Node calls listeners between turns of its event loop, which
 * a loop without an end in the user's file never lets come, so V8 is asked to break off the work instead.
 */
import { Script } from "node:vm";
import { Fault } from "../engine/basics/fault.ts";
import { HUNG_HINT, hungCall } from "../schedulers/own-calls.ts";

const WORK = Symbol.for("tandem.interruptible-work");
const runWork = new Script('globalThis[Symbol.for("tandem.interruptible-work")]()');

/**
 * The result of work, which Ctrl-C ends while somebody listens for it: the listeners are called, and it throws their
 * reason to stop, or Fault("interrupted") naming the call of the user's code that did not return. After `limitMs` it is
 * broken off too, with Fault("invalid-input"). Takes 0.1 ms besides.
 * Node takes the listeners away while it watches, so a Ctrl-C in the microseconds between two pieces of work may be lost.
 */
export function interruptible<T>(work: () => T, limitMs?: number): T {
  const breakOnSigint = process.listenerCount("SIGINT") > 0;
  if (!breakOnSigint && limitMs === undefined) return work();
  const startMs = performance.now();
  let end: () => T = () => {
    throw new Error("the work has not ended");
  };
  Object.assign(globalThis, {
    [WORK]: () => {
      try {
        const result = work();
        end = () => result;
      } catch (error) {
        end = () => {
          throw error;
        };
      }
    },
  });
  try {
    runWork.runInThisContext({ breakOnSigint, timeout: limitMs });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isLate = code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
    if (!isLate && code !== "ERR_SCRIPT_EXECUTION_INTERRUPTED") throw error;
    const call = hungCall(performance.now() - startMs);
    if (isLate)
      throw new Fault("invalid-input", call ?? "a scheduler's random run does not end", {
        hint: HUNG_HINT,
      });
    process.emit("SIGINT");
    if (call === null) throw new Error("interrupted");
    throw new Fault("interrupted", `interrupted: ${call}`, { hint: HUNG_HINT });
  }
  return end();
}
