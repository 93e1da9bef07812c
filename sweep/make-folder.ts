import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { Fault } from "../core/fault.ts";

/**
 * Makes a folder and those above it. Unlike Node's own way it ends where a folder that is there takes none,
 * as those of /proc. Throws Fault("usage").
 */
export function makeFolder(path: string): void {
  const folder = resolve(path);
  if (isFolder(folder)) return;
  if (!existsSync(folder)) makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (cause) {
    // Another process may have been quicker.
    if (isFolder(folder)) return;
    throw new Fault("usage", `cannot make the folder ${path}: ${(cause as Error).message}`, {
      hint: "name another folder, or free the place",
      cause,
    });
  }
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}
