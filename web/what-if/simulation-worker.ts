/**
 * The simulator's thread: a simulator for each port that the page sends. It warms up until the first one
 * comes. Once a curve is there and the page's own work is done, it starts a second thread of the same
 * code, which simulates half of the loads of each later curve.
 */
import { Runner } from "./runner.ts";
import { type Connect, Simulator, warmUp } from "./simulator.ts";

const SOON_MS = 10;
/** Message with the port of a thread that only wants a runner. */
const RUNNER = "runner";

let second: Worker | undefined;

const inSecondThread: Connect = (hear) => {
  second ??= new Worker(location.href, { type: "module" });
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => hear(data);
  second.postMessage(RUNNER, [port2]);
  return (message) => port1.postMessage(message);
};

/** The script of a page from a file may start none. */
const canHaveSecond = navigator.hardwareConcurrency > 1 && origin !== "null";

const asked = new AbortController();
addEventListener("message", ({ data: kind, ports: [port] }: MessageEvent) => {
  if (kind === RUNNER) {
    const runner = new Runner((message) => port.postMessage(message));
    port.onmessage = ({ data }) => runner.take(data);
    return;
  }
  asked.abort();
  const simulator = new Simulator((message) => {
    port.postMessage(message);
    if (message.kind === "schedulers" && second === undefined && canHaveSecond) {
      simulator.join(inSecondThread);
    }
  });
  if (second !== undefined) simulator.join(inSecondThread);
  port.onmessage = ({ data }) => simulator.take(data);
});
// A port that waits already comes first.
setTimeout(() => asked.signal.aborted || warmUp(asked.signal).catch(() => {}), SOON_MS);
