/** What a measurement was made on, for provenance. */
import { cpus, release, totalmem, type } from "node:os";

/** One line: processor, cores, memory, system, Node version. */
export function hostLine(): string {
  const processors = cpus();
  const memoryGiB = Math.round(totalmem() / 2 ** 30);
  const model = processors[0]?.model.trim() ?? "unknown processor";
  return `${model}, ${processors.length} logical cores, ${memoryGiB} GiB, ${type()} ${release()}, Node ${process.versions.node}`;
}
