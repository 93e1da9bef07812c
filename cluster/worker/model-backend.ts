/** A real model in a thread of its own. */
import { Worker } from "node:worker_threads";
import { Fault } from "../../core/fault.ts";
import type { Tensor } from "../../models/tensor.ts";
import { entryPoint } from "../processes/child.ts";
import type { ModelState } from "../protocol/hosted-models.ts";
import type { Backend, Batch, BatchResult } from "./backend.ts";
import type { ThreadAnswer, ThreadOrder, ThreadSpecification } from "./model-thread.ts";

/** For a command that serves the model to end in order. */
const CLOSE_MS = 5000;

/** Resolves once the model is loaded. Throws Fault("cluster-failure") when it cannot be. */
export async function modelBackend(
  specification: ThreadSpecification,
  changed: (state: ModelState) => void,
): Promise<Backend> {
  const thread = new Worker(entryPoint("worker/model-thread"), { workerData: specification });
  thread.on("message", (answer: ThreadAnswer) => {
    if (answer.kind === "state") changed(answer.state);
  });
  const loaded = await nextAnswer(thread);
  if (loaded.kind !== "ready") {
    await thread.terminate();
    const { message, hint } = loaded.kind === "failed" ? loaded : { message: "", hint: undefined };
    throw new Fault(
      "cluster-failure",
      `model ${specification.model} did not load: ${message}`,
      hint === undefined ? {} : { hint },
    );
  }
  let closing = false;
  thread.once("exit", (code) => {
    if (closing) return;
    // A worker without its model is of no use: its parent starts another.
    process.stderr.write(`the thread of model ${specification.model} ended with ${code}\n`);
    process.exit(1);
  });
  return {
    ...loaded.model,
    run: (batch) => runBatch(thread, batch),
    close: async () => {
      closing = true;
      const closed = nextAnswer(thread).catch(() => undefined);
      thread.postMessage({ kind: "close" } satisfies ThreadOrder);
      const patience = new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref());
      await Promise.race([closed, patience]);
      await thread.terminate();
    },
  };
}

async function runBatch(thread: Worker, batch: Batch): Promise<BatchResult> {
  // All are views into a whole message; copies of their own can be handed over for good.
  const buffers: ArrayBuffer[] = [];
  const own = (bytes: Uint8Array): Uint8Array => {
    const copy = new Uint8Array(bytes);
    buffers.push(copy.buffer);
    return copy;
  };
  const ownTensors = (tensors: readonly Tensor[]) =>
    tensors.map((tensor) => ({ ...tensor, raw: own(tensor.raw) }));
  const order: ThreadOrder = {
    kind: "run",
    jobs: batch.jobs.map(({ payload, upstream, tensors, upstreamTensors }) => ({
      payload: own(payload),
      upstream: own(upstream),
      tensors: ownTensors(tensors),
      upstreamTensors: Object.fromEntries(
        Object.entries(upstreamTensors).map(([task, given]) => [task, ownTensors(given)]),
      ),
    })),
  };
  const answer = nextAnswer(thread);
  thread.postMessage(order, buffers);
  const done = await answer;
  if (done.kind === "done") return done;
  if (done.kind !== "failed") throw new Error("the model answered out of turn");
  const { message, code, hint } = done;
  if (code === undefined) throw new Error(`the model failed: ${message}`);
  throw new Fault(code, message, hint === undefined ? {} : { hint });
}

function nextAnswer(thread: Worker): Promise<ThreadAnswer> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      thread.off("message", onMessage);
      thread.off("error", onError);
      thread.off("exit", onExit);
    };
    const onMessage = (answer: ThreadAnswer): void => {
      if (answer.kind === "state") return;
      settle();
      resolve(answer);
    };
    const onError = (error: Error): void => {
      settle();
      reject(new Fault("cluster-failure", `the model's thread failed: ${error.message}`));
    };
    const onExit = (): void => {
      settle();
      reject(new Fault("cluster-failure", "the model's thread ended"));
    };
    thread.on("message", onMessage);
    thread.on("error", onError);
    thread.on("exit", onExit);
  });
}
