/** How long a search for a plan may go on, and how often it looks whether it still may. */
import type { Pace } from "../planning/trial.ts";

const MOST_EVENTS = 1000;
const STRETCH_MS = 10;

/** Ends with the budget, or once it `isStopped`. */
export function paceOf(
  budgetS: number,
  isStopped: () => boolean,
  nowMs: () => number = () => performance.now(),
): Required<Pace> {
  const startMs = nowMs();
  const spent = (): number => (nowMs() - startMs) / 1000 / budgetS;
  // An event takes a millionth of a second, or a thousandth by schedulers that look at all machines at each.
  const looks = (): (() => number) => {
    let events = 4;
    let fromMs = nowMs();
    return () => {
      const [beforeMs, atMs] = [fromMs, nowMs()];
      fromMs = atMs;
      const isShort = atMs - beforeMs < STRETCH_MS;
      events = isShort ? Math.min(MOST_EVENTS, 2 * events) : Math.max(1, events / 2);
      return events;
    };
  };
  return { spent, isOver: () => isStopped() || spent() >= 1, looks };
}
