/** What a load generator sends to. */
import type { Outcome } from "../../core/dispatch/driver.ts";
import type { LoadSpecification } from "./specification.ts";

/** One attempt at a request. */
export interface LoadCall {
  /** Its number. */
  readonly request: number;
  readonly pipeline: number;
  /** When it was due, in the scenario's µs. */
  readonly intendedUs: number;
}

export interface LoadAnswer {
  readonly outcome: Outcome;
  /** As counted in the result: "OK", a gRPC status' name, "HTTP 503" … */
  readonly status: string;
  /** Null for a completed request. */
  readonly error: string | null;
  /** Time that the server says it had it, µs; NaN where it does not say. */
  readonly residenceUs: number;
}

export interface LoadTarget {
  /** Resolves when the server answers at all. Rejects with a Fault. */
  connect(): Promise<void>;
  /** Answers once, sooner or later. Returns what gives the attempt up. */
  send(call: LoadCall, answer: (answer: LoadAnswer) => void): () => void;
  close(): Promise<void>;
}

/** Opens the kind of target that a specification names; loads only what that kind needs. */
export async function openTarget(specification: LoadSpecification): Promise<LoadTarget> {
  const { target } = specification;
  switch (target.kind) {
    case "grpc":
      return new (await import("./grpc-target.ts")).GrpcTarget(target, specification);
    case "http":
      return new (await import("./http-target.ts")).HttpTarget(target);
  }
}
