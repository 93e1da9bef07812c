/**
 * The one error type for trouble that is not a bug: bad input, or a failure of the world outside.
 * A bug is an `assert`; an operating event (worker lost, request late) is an event, not a Fault.
 */
export const FAULTS = {
  usage: { exit: 2, http: 400, grpc: 3 },
  "invalid-input": { exit: 2, http: 400, grpc: 3 },
  "not-found": { exit: 2, http: 404, grpc: 5 },
  unauthenticated: { exit: 2, http: 401, grpc: 16 },
  forbidden: { exit: 2, http: 403, grpc: 7 },
  "limit-exceeded": { exit: 2, http: 413, grpc: 8 },
  "out-of-tolerance": { exit: 3, http: 500, grpc: 13 },
  "no-solution": { exit: 3, http: 500, grpc: 13 },
  unhealthy: { exit: 3, http: 503, grpc: 14 },
  "cluster-failure": { exit: 4, http: 502, grpc: 14 },
  "registry-unreachable": { exit: 4, http: 502, grpc: 14 },
  unavailable: { exit: 4, http: 503, grpc: 14 },
  overloaded: { exit: 4, http: 429, grpc: 8 },
  "deadline-exceeded": { exit: 4, http: 504, grpc: 4 },
  interrupted: { exit: 130, http: 499, grpc: 1 },
} as const satisfies Record<string, { exit: number; http: number; grpc: number }>;

export type FaultCode = keyof typeof FAULTS;

/** A mistake in an input file or option. `line` counts from 1. */
export interface Issue {
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
  readonly file?: string;
  readonly line?: number;
}

export class Fault extends Error {
  readonly code: FaultCode;
  readonly hint: string | undefined;
  readonly issues: readonly Issue[];
  /** When a client may try again; undefined where that would not help, or is not known. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: FaultCode,
    message: string,
    options: {
      hint?: string | undefined;
      cause?: unknown;
      issues?: readonly Issue[];
      retryAfterMs?: number | undefined;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Fault";
    this.code = code;
    // The last output of a dead process may be empty.
    this.hint = options.hint?.trim() === "" ? undefined : options.hint;
    this.issues = options.issues ?? [];
    // Consoles print the stack: it is all that a program's user sees of a Fault that nobody caught.
    const lines = this.issues.map(({ path, message: text }) => `\n  ${path}: ${text}`);
    if (lines.length > 0) {
      this.stack = (this.stack ?? "").replace(message, () => message + lines.join(""));
    }
    this.retryAfterMs = options.retryAfterMs;
  }
}

const REFUSALS =
  /^(EACCES|EBUSY|EDQUOT|EEXIST|EFBIG|EIO|EISDIR|ELOOP|EMFILE|ENAMETOOLONG|ENOENT|ENOSPC|ENOTDIR|EPERM|EROFS)$/;

/** A refusal of the operating system, such as a full disk, as a Fault; anything else as it is. */
export function known(error: unknown): unknown {
  const code = error instanceof Error && "syscall" in error && "code" in error ? error.code : "";
  if (!REFUSALS.test(String(code))) return error;
  const hint = /^(EDQUOT|EFBIG|EIO|EMFILE|ENOSPC)$/.test(String(code))
    ? "what is finished is kept: once there is room, run the command again"
    : "name another file or folder, or free this one; what is finished is kept";
  return new Fault("usage", (error as Error).message, { hint, cause: error });
}

/** The exit code of a command that ends by this error; 1 for a bug. */
export function exitCodeOf(thrown: unknown): number {
  const error = known(thrown);
  return error instanceof Fault ? FAULTS[error.code].exit : 1;
}

/** Marks the end of a `switch` over a closed union; reaching it is a bug. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}

/** Throws a plain Error (a bug, exit code 1) when `condition` is false. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Throws Fault("usage") unless the value, by its name in a message, is a whole number within bounds. */
export function requireWhole(
  name: string,
  value: number,
  [least, most]: readonly [number, number],
  hint?: string,
): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  const bounds =
    most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new Fault("usage", `${name} a whole number ${bounds}, got ${value}`, { hint });
}
