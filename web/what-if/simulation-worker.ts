/** The simulator's thread. */
import type { FromSimulator, ToSimulator } from "./messages.ts";
import { Simulator, warmUp } from "./simulator.ts";

/** The part of a dedicated worker's scope that is used here; the page's types have another scope. */
const scope = globalThis as unknown as {
  postMessage(message: FromSimulator): void;
  onmessage: ((event: MessageEvent<ToSimulator>) => void) | null;
};

const simulator = new Simulator((message) => scope.postMessage(message));
scope.onmessage = ({ data }) => simulator.take(data);
void warmUp();
