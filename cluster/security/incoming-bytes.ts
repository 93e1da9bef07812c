/**
 * Bounds the bytes of unfinished requests over REST and gRPC together: the bound of one request does
 * not stop a thousand callers that each send a large one.
 */
import { Fault } from "../../core/fault.ts";

const RETRY_AFTER_MS = 1000;

/** One request's share. The request gives it back when it is complete or over. */
export interface Share {
  /** Throws Fault("overloaded") when all together would be too much. */
  take(bytes: number): void;
  giveBack(): void;
}

export class IncomingBytes {
  readonly #most: number;
  #bytes = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get bytes(): number {
    return this.#bytes;
  }

  share(): Share {
    let own = 0;
    return {
      take: (bytes) => {
        if (this.#bytes + bytes > this.#most) throw this.#tooMuch();
        own += bytes;
        this.#bytes += bytes;
      },
      giveBack: () => {
        this.#bytes -= own;
        own = 0;
      },
    };
  }

  #tooMuch(): Fault {
    return new Fault("overloaded", `requests of ${this.#bytes} bytes are being received already`, {
      hint: "try again, or send smaller ones",
      retryAfterMs: RETRY_AFTER_MS,
    });
  }
}
