/** A child process that the kernel ends with its parent. */
import { spawnSync } from "node:child_process";

let works: boolean | undefined;

/**
 * A command under which the kernel kills the child when its parent dies (Linux only; elsewhere
 * nothing): a child that is stopped at that moment could not end by itself.
 */
export function dyingWithParent(): readonly string[] {
  const command = ["setpriv", "--pdeathsig", "KILL"];
  works ??= spawnSync(command[0], [...command.slice(1), "true"], { stdio: "ignore" }).status === 0;
  return works ? command : [];
}
