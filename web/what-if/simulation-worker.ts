/** The simulator's thread: a simulator for each port that the page sends. */
import { Simulator, warmUp } from "./simulator.ts";

addEventListener("message", ({ ports: [port] }: MessageEvent) => {
  const simulator = new Simulator((message) => port.postMessage(message));
  port.onmessage = ({ data }) => simulator.take(data);
});
void warmUp();
