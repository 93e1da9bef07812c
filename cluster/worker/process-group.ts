/** Ends a process group; nothing happens when there is none any more. */
export function endGroup(leader: number, signal: NodeJS.Signals): void {
  if (leader <= 1) return;
  try {
    process.kill(-leader, signal);
  } catch {
    // It has ended.
  }
}
