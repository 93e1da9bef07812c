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

/** Reports a frequent event at most once in an interval, with its count since the last report. */
export class Seldom {
  readonly #everyMs: number;
  readonly #say: (count: number, fields: object) => void;
  #count = 0;
  #fields: object = {};
  #timer: NodeJS.Timeout | null = null;

  constructor(say: (count: number, fields: object) => void, everyMs = 1000) {
    this.#say = say;
    this.#everyMs = everyMs;
  }

  /** Reports the first event at once; a later report has the fields of the latest event. */
  note(fields: object): void {
    this.#count++;
    this.#fields = fields;
    if (this.#timer !== null) return;
    this.#flush();
  }

  #flush(): void {
    this.#timer = null;
    if (this.#count === 0) return;
    this.#say(this.#count, this.#fields);
    this.#count = 0;
    this.#timer = setTimeout(() => this.#flush(), this.#everyMs);
    this.#timer.unref();
  }
}
