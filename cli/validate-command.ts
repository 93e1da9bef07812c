/** `tandem validate`: chosen configurations simulated and run for real, compared and judged. */
import { runSeconds } from "../calibration/validation-effort.ts";
import { Fault } from "../core/fault.ts";
import { type Course, planValidation, runValidation, shorteningNote } from "../library/validate.ts";
import { formatNumber, metricLabel, plural } from "../reports/tables/format.ts";
import { interruptSignal } from "./failure.ts";
import { duration, progress } from "./progress.ts";
import { loadScenario } from "./scenario-file.ts";
import { finish, type ValidateArguments, writeLogs } from "./validate-results.ts";

export async function validate(args: ValidateArguments): Promise<void> {
  const { out, strict, backend, repeats, budget } = args;
  const interrupt = interruptSignal();
  try {
    const budgetS = budget === undefined ? undefined : secondsOf("--budget", budget);
    const loaded = await loadScenario(args, { requireTimes: true });
    const course = planValidation(loaded, { backend, repeats, budgetS });
    process.stderr.write(announcement(course));
    const seconds = Math.ceil(course.beforeS + course.effort.seconds);
    const shown = progress("validate, seconds", { total: seconds });
    const validated = await runValidation(course, args, {
      strict,
      onSeconds: shown.update,
      onNote: shown.say,
      onLogs: (i, logs) => out !== undefined && writeLogs(out, i, logs),
      signal: interrupt.signal,
    }).finally(shown.stop);
    finish(args, loaded, validated);
  } finally {
    interrupt.dispose();
  }
}

/** "validate: 2 configurations × 3 runs of 60 s on replay, about 7 min in all; …" */
function announcement({ settings, forecasts, beforeS, effort }: Course): string {
  const { repeats, share, seconds } = effort;
  const lengths = forecasts.map((forecast) => Math.ceil(runSeconds(forecast, share)));
  const [least, most] = [Math.min(...lengths), Math.max(...lengths)];
  const span = least === most ? `${most} s` : `${least} to ${most} s`;
  const judged = Object.entries(settings.metrics).map(
    ([name, tolerance]) => `${metricLabel(name).text} to ±${formatNumber(100 * tolerance)}%`,
  );
  const lines = [
    `validate: ${plural(forecasts.length, "configuration")} × ${repeats} runs of ${span} on ${settings.backend}: about ${duration(beforeS + seconds)} with start-up`,
    `  first a look at this host; then each runs on a cluster of its own and is judged by ${judged.join(", ")}`,
    ...(share === 1 ? [] : [`  to fit the budget, ${shorteningNote(share)}`]),
  ];
  return `${lines.join("\n")}\n`;
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Seconds of a span of time such as 90s, 5m or 1.5h. Throws Fault("usage") that names the option. */
export function secondsOf(option: string, text: string): number {
  const [, value, unit] = /^(\d+(?:\.\d+)?)\s*([smh])$/.exec(text.trim()) ?? [];
  const seconds = Number(value) * (UNITS[unit] ?? Number.NaN);
  if (seconds > 0) return seconds;
  throw new Fault("usage", `${option} ${text}: expected a span of time above 0`, {
    hint: `for example \`${option} 90s\`, \`${option} 5m\` or \`${option} 1h\``,
  });
}
