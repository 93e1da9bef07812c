/** Logs as lines of JSON, by pino and `LOG_LEVEL`; frequent events once a second, with a count. */
import { destination, type Level, levels, pino, stdTimeFunctions } from "pino";
import { LOG_FD } from "../processes/child-side.ts";

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Whether lines of a level are written. */
  isLevelEnabled(level: string): boolean;
}

const DEFAULT_LEVEL = "info";

/** Writes a line before the call returns, so that the last lines of a dying process are kept. */
export function createLogger(name: string, level = process.env.LOG_LEVEL): Logger {
  const wanted = level?.toLowerCase() ?? DEFAULT_LEVEL;
  const known = wanted === "silent" || wanted in levels.values;
  const stream = destination({ dest: LOG_FD, sync: true });
  // A closed output must not end the process.
  stream.on("error", () => undefined);
  const logger = pino(
    {
      name,
      level: known ? (wanted as Level) : DEFAULT_LEVEL,
      timestamp: stdTimeFunctions.isoTime,
      base: { pid: process.pid },
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  if (!known) {
    const fields = { given: level, known: [...Object.keys(levels.values), "silent"] };
    logger.warn(fields, `LOG_LEVEL is no level: logging at ${DEFAULT_LEVEL}`);
  }
  return logger;
}

/** Takes the fields of an event that may be frequent. */
export type Seldom = (fields: object) => void;

/** Reports an event at once, then at most once in an interval, with its count and its latest fields. */
export function seldom(say: (count: number, fields: object) => void, everyMs = 1000): Seldom {
  let count = 0;
  let latest: object = {};
  let timer: NodeJS.Timeout | null = null;
  const flush = (): void => {
    timer = null;
    if (count === 0) return;
    say(count, latest);
    count = 0;
    timer = setTimeout(flush, everyMs).unref();
  };
  return (fields) => {
    count++;
    latest = fields;
    if (timer === null) flush();
  };
}
