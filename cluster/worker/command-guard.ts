/**
 * Stands between a worker and the command that serves its model, and sees to it that the command
 * ends when the worker does, however that ends: a broken IPC channel is the sign. It is in a
 * process group of its own, so that what ends the worker's group does not end it first; so is the
 * command, whose own children go with it. Who kills worker and guard at once has still the last watch
 * to kill: a shell that waits for the end of what the guard holds open.
 */
import { spawn } from "node:child_process";
import { endGroup } from "./process-group.ts";

export interface GuardOrder {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
}

export type GuardWord =
  | { readonly kind: "started"; readonly pid: number }
  | { readonly kind: "ended"; readonly how: string };

process.on("SIGINT", () => undefined);
process.on("SIGHUP", () => undefined);

/** Ends the group when this process ends without a word, however it ends. Gives what to say then. */
function lastWatch(leader: number): () => void {
  const shell = spawn("sh", ["-c", 'read -r word || kill -KILL "-$0"', String(leader)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  // Where there is no shell the guard is the last.
  shell.on("error", () => undefined);
  shell.stdin.on("error", () => undefined);
  shell.unref();
  return () => shell.stdin.write("ended\n");
}

process.once("message", (order) => {
  const { program, args, folder } = order as GuardOrder;
  const child = spawn(program, args, {
    cwd: folder,
    detached: true,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const tell = (word: GuardWord, then: () => void = () => undefined): void => {
    if (process.connected === true) process.send?.(word, undefined, {}, then);
    else then();
  };
  child.once("error", (error) =>
    tell({ kind: "ended", how: error.message }, () => process.exit(1)),
  );
  let ended = (): void => undefined;
  child.once("spawn", () => {
    ended = lastWatch(child.pid as number);
    tell({ kind: "started", pid: child.pid as number });
  });
  child.once("exit", (code, signal) => {
    // What it started itself goes too.
    endGroup(child.pid as number, "SIGKILL");
    ended();
    tell({ kind: "ended", how: signal ?? `exit code ${code}` }, () => process.exit(0));
  });
  const end = (): void => {
    endGroup(child.pid ?? 0, "SIGTERM");
    setTimeout(() => {
      endGroup(child.pid ?? 0, "SIGKILL");
      process.exit(0);
    }, GRACE_MS);
  };
  process.once("disconnect", end);
  process.once("SIGTERM", end);
});

/** For the command to end in order. */
const GRACE_MS = 3000;

if (process.connected !== true) process.exit(0);
