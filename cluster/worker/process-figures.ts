/** What this process takes of its machine, by the names that Prometheus' clients give them. */
import { readdirSync } from "node:fs";

/** Without what the system does not tell. */
export function processFigures(): Readonly<Record<string, number>> {
  const { user, system } = process.cpuUsage();
  const fds = openFiles();
  return {
    process_cpu_seconds_total: (user + system) / 1e6,
    process_resident_memory_bytes: process.memoryUsage.rss(),
    process_start_time_seconds: Date.now() / 1000 - process.uptime(),
    ...(fds === null ? {} : { process_open_fds: fds }),
  };
}

function openFiles(): number | null {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return null;
  }
}
