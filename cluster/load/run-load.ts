/** Sends a workload to a target from a process of its own. */
import { Fault } from "../../engine/basics/fault.ts";
import { type Speaking, startChild, unlessAborted, watchSilence } from "../processes/child.ts";
import type { LoadProgress, LoadResult, LoadSpecification } from "./specification.ts";

type Given = "target" | "pipelines" | "workload" | "seed";
type Defaulted = "traceUs" | "timeScale" | "warmUp";

/** By default, a load without a trace, in the scenario's time, and without a warm-up. */
export interface LoadOptions
  extends Pick<LoadSpecification, Given>,
    Partial<Pick<LoadSpecification, Defaulted>> {
  readonly onProgress?:
    | ((count: { readonly sent: number; readonly ended: number }) => void)
    | undefined;
  /** Called when the generator is ready. */
  readonly prepare?: () => Promise<void>;
  /** Called next, to start the gateway's run of the requests; its time 0 lies shortly ahead. */
  readonly beforeStart?: (startAtMonotonicNs: number) => Promise<void>;
  /** Further processes that the run depends on. */
  readonly needs?: readonly Speaking[];
  /** Rejects when the target is gone for good. */
  readonly gone?: Promise<never>;
  /** How long a process may be silent. Default: a minute. */
  readonly silenceMs?: number | undefined;
  /** Aborted, it ends the generator. */
  readonly signal?: AbortSignal | undefined;
}

const READY_TIMEOUT_MS = 30_000;
/** Longer than a busy machine keeps a process waiting. */
const SILENCE_MS = 60_000;
/** Time to inform gateway and generator before the run's time 0. */
const LEAD_NS = 100e6;

/**
 * Resolves when every request has ended. Rejects with Fault("cluster-failure") if the generator fails,
 * or if it or a process of `needs` falls silent.
 */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  let settle: (progress: LoadProgress) => void = () => undefined;
  const outcome = new Promise<LoadResult>((resolve, reject) => {
    settle = (progress) => {
      if (progress.kind === "result") resolve(progress.result);
      else if (progress.kind === "count") options.onProgress?.(progress);
      else {
        const { message, hint } = progress;
        reject(new Fault("cluster-failure", `the load generator failed: ${message}`, { hint }));
      }
    };
  });
  const { target, pipelines, workload, seed } = options;
  const { traceUs = null, timeScale = 1, warmUp = false } = options;
  const specification: LoadSpecification = {
    target,
    pipelines,
    workload,
    seed,
    traceUs,
    timeScale,
    warmUp,
    numbered: options.beforeStart !== undefined,
  };
  const child = await startChild<null>({
    name: "load generator",
    entry: "load/main",
    specification,
    readyTimeoutMs: READY_TIMEOUT_MS,
    signal: options.signal,
    onProgress: (progress) => settle(progress as LoadProgress),
  });
  const needed = [child, ...(options.needs ?? [])];
  const watch = watchSilence(needed, options.silenceMs ?? SILENCE_MS);
  try {
    await options.prepare?.();
    const startAtMonotonicNs = Number(process.hrtime.bigint()) + LEAD_NS;
    await options.beforeStart?.(startAtMonotonicNs);
    child.send({ startAtMonotonicNs });
    const died = child.exited.then(({ stderrTail }): never => {
      throw new Fault("cluster-failure", "the load generator ended before its run did", {
        hint: stderrTail,
      });
    });
    const ends = Promise.race([outcome, died, watch.fallen, ...[options.gone ?? []].flat()]);
    return await unlessAborted(options.signal, ends);
  } catch (error) {
    // It may be stopped by a signal.
    await child.kill();
    throw error;
  } finally {
    watch.stop();
    await child.stop();
  }
}
