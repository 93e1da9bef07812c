/**
 * Worker processes are the deployment's, so a gateway asks its parent to start and stop them. The
 * parent remembers them for a gateway that is started again.
 */
import { Fault } from "../../core/fault.ts";
import { reportProgress } from "../processes/child-side.ts";

/** Gateway to parent. */
export interface WorkerQuestion {
  readonly question: number;
  readonly what: "start" | "stop" | "attach";
  readonly replica: number;
  /** Of one to attach, that somebody else has started. */
  readonly address?: string;
}

/** Parent to gateway: the address of what was started, or why it was not. */
export interface WorkerReply {
  readonly question: number;
  readonly address?: string;
  readonly error?: string;
}

export interface WorkerHost {
  /** Resolves with its address when its model is loaded. Rejects with Fault("cluster-failure"). */
  start(replica: number): Promise<string>;
  stop(replica: number): Promise<void>;
  attach(replica: number, address: string): Promise<void>;
}

export class ParentWorkerHost implements WorkerHost {
  readonly #waiting = new Map<number, (reply: WorkerReply) => void>();
  #questions = 0;

  constructor() {
    process.on("message", (message) => {
      const reply = message as WorkerReply;
      this.#waiting.get(reply.question)?.(reply);
      this.#waiting.delete(reply.question);
    });
  }

  start(replica: number): Promise<string> {
    return this.#ask({ what: "start", replica });
  }

  async stop(replica: number): Promise<void> {
    await this.#ask({ what: "stop", replica });
  }

  async attach(replica: number, address: string): Promise<void> {
    await this.#ask({ what: "attach", replica, address });
  }

  #ask(asked: Omit<WorkerQuestion, "question">): Promise<string> {
    const question = ++this.#questions;
    return new Promise((resolve, reject) => {
      this.#waiting.set(question, ({ address, error }) => {
        if (error === undefined) resolve(address ?? "");
        else reject(new Fault("cluster-failure", error));
      });
      reportProgress({ question, ...asked } satisfies WorkerQuestion);
    });
  }
}
