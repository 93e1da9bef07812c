/**
 * Where the threads of a sweep hang. A thread in a loop without an end hears no message, but an inspector interrupts it
 * and asks there: a thread that nobody asks spends nothing on it.
 */
import { Session } from "node:inspector";
import { setTimeout as pause } from "node:timers/promises";

const QUESTION = "tandemHangsIn";
/** Threads answer within some ms, but not those in native code. */
const ANSWERED_MS = 500;

/** For a thread: `hang` gives its hang in words, or null, at any instant. */
export function tellHang(hang: () => string | null): void {
  Object.assign(globalThis, { [QUESTION]: hang });
}

/** The hang of one of this process's threads, if any hangs. */
export async function hangOfThreads(): Promise<string | undefined> {
  const ask = { id: 1, method: "Runtime.evaluate", params: { expression: `${QUESTION}?.()` } };
  const session = new Session();
  let hang: string | undefined;
  session.on("NodeWorker.attachedToWorker", ({ params: { sessionId } }) => {
    const message = JSON.stringify(ask);
    session.post("NodeWorker.sendMessageToWorker", { sessionId, message });
  });
  session.on("NodeWorker.receivedMessageFromWorker", ({ params }) => {
    const { value } = JSON.parse(params.message).result.result;
    if (typeof value === "string") hang ??= value;
  });
  session.connect();
  session.post("NodeWorker.enable", { waitForDebuggerOnStart: false });
  await pause(ANSWERED_MS);
  session.disconnect();
  return hang;
}
