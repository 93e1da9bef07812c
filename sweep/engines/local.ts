/** Shards as processes of this machine: the kind of engine that needs nothing else. */
import { spawn } from "node:child_process";
import { dyingWithParent } from "../../build/dying-with-parent.ts";
import { isRetried, MOST_RETRIES } from "../shards/retries.ts";
import type { ShardCommand } from "./engine.ts";

export interface LocalRun {
  readonly command: ShardCommand;
  readonly shards: readonly number[];
  /** Processes at once. */
  readonly processes: number;
  /** Called whenever a shard ends, for good or ill. */
  readonly onEnd: () => void;
  /** Once aborted, processes get SIGTERM, and none is started. */
  readonly signal: AbortSignal;
}

/** Shards that fail leave a note in the sweep's folder, or none if their process was killed. */
export async function runLocally({ shards, processes, signal, ...run }: LocalRun): Promise<void> {
  const open = [...shards];
  const lane = async (): Promise<void> => {
    for (let shard = open.shift(); shard !== undefined; shard = open.shift()) {
      for (let tries = 0; !signal.aborted; tries++) {
        const end = await shardProcess(run.command, shard, signal);
        if (tries === MOST_RETRIES || !isRetried(end.code, end.signal)) break;
      }
      run.onEnd();
    }
  };
  await Promise.all(Array.from({ length: Math.min(processes, shards.length) }, lane));
}

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

function shardProcess(
  { program: [node, file], options, shards, folder }: ShardCommand,
  shard: number,
  signal: AbortSignal,
): Promise<End> {
  const [first, ...words] = [
    ...[...dyingWithParent("TERM"), node, file, ...options],
    ...["--shard", `${shard}/${shards}`],
  ];
  // The shard's failure is in its note.
  const child = spawn(first, words, { cwd: folder, stdio: "ignore" });
  const stop = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, by) => {
      signal.removeEventListener("abort", stop);
      resolve({ code, signal: by });
    });
  });
}
