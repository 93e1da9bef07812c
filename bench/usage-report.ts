/**
 * Loaded before a program (`node --import`), this writes the process's greatest resident set, in
 * MiB, to file descriptor 3 when the process ends. Threads of the process count in it.
 */
import { writeSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

if (isMainThread) {
  process.on("exit", () => {
    // In KiB on every platform.
    writeSync(3, String(process.resourceUsage().maxRSS / 1024));
  });
}
