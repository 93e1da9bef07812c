/** Spans of time as people type them: 90s, 5m, 1.5h. */
import { Fault } from "../core/fault.ts";

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Seconds. Throws Fault("usage") that names the option. */
export function secondsOf(option: string, text: string): number {
  const [, value, unit] = /^(\d+(?:\.\d+)?)\s*([smh])$/.exec(text.trim()) ?? [];
  const seconds = Number(value) * (UNITS[unit] ?? Number.NaN);
  if (seconds > 0) return seconds;
  throw new Fault("usage", `${option} ${text}: expected a span of time above 0`, {
    hint: `for example \`${option} 90s\`, \`${option} 5m\` or \`${option} 1h\``,
  });
}
