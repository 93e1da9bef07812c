/** A clock that plays a run: it moves with the frames of the screen, and stops at the end. */
import { useEffect, useState } from "react";

export function useClock(endMs: number, speed: number) {
  const [atMs, setNow] = useState(0);
  const [isPlaying, setPlaying] = useState(false);
  useEffect(() => {
    if (!isPlaying) return;
    let lastMs = performance.now();
    let frame = requestAnimationFrame(function tick(nowMs: number) {
      const passedMs = Math.max(0, nowMs - lastMs) * speed;
      lastMs = nowMs;
      setNow((now) => {
        if (now + passedMs >= endMs) setPlaying(false);
        return Math.min(endMs, now + passedMs);
      });
      frame = requestAnimationFrame(tick);
    });
    return () => cancelAnimationFrame(frame);
  }, [isPlaying, speed, endMs]);
  const setAtMs = (next: number): void => {
    setPlaying(false);
    setNow(next);
  };
  const play = (next: boolean): void => {
    if (next && atMs >= endMs) setNow(0);
    setPlaying(next);
  };
  return { atMs, isPlaying, setPlaying: play, setAtMs };
}
