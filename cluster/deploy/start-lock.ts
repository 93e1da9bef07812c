/** One deployment is started at a time in a folder: two would each take the other's state file for its own. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../core/fault.ts";

/** Returns what ends the lock. Throws Fault("usage") while another process that lives holds it. */
export function lockStart(folder: string): () => void {
  const file = join(folder, "starting");
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const holder = Number(readFileSync(file, "utf8"));
    if (lives(holder)) {
      throw new Fault("usage", `process ${holder} is starting a cluster in this folder`, {
        hint: `\`tandem cluster status\` shows it once it is up; if that process is another's, remove ${file}`,
      });
    }
    writeFileSync(file, String(process.pid));
  }
  return () => rmSync(file, { force: true });
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
