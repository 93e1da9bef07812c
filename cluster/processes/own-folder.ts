/** A folder of this process's own in the system's temporary one, for keys and sockets. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";

/**
 * The machine's name and the process follow. Short, because the path of a socket has at most 107 characters; other
 * machines and containers, whose numbers of processes differ, may share the folder.
 */
const PREFIX = `tandem.${hostname().slice(0, 8)}.`;
let own: string | undefined;

/**
 * Its path. Only this user can read it, and it is removed when the process ends. A killed process leaves its folder
 * behind: the next process removes it.
 */
export function ownFolder(): string {
  if (own === undefined) {
    removeAbandoned();
    const made = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}.`));
    process.once("exit", () => rmSync(made, { recursive: true, force: true }));
    own = made;
  }
  return own;
}

function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(PREFIX) || lives(Number(name.slice(PREFIX.length).split(".")[0])))
      continue;
    const folder = join(tmpdir(), name);
    // Another process may remove it at this moment.
    const owner = statSync(folder, { throwIfNoEntry: false })?.uid;
    if (owner === process.getuid?.()) rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether this user has such a process. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
