/** The simulator's thread: a simulator for each port that the page sends. It warms up until the first one comes. */
import { Simulator, warmUp } from "./simulator.ts";

const SOON_MS = 10;

const asked = new AbortController();
addEventListener("message", ({ ports: [port] }: MessageEvent) => {
  asked.abort();
  const simulator = new Simulator((message) => port.postMessage(message));
  port.onmessage = ({ data }) => simulator.take(data);
});
// A port that waits already comes first.
setTimeout(() => asked.signal.aborted || warmUp(asked.signal).catch(() => {}), SOON_MS);
