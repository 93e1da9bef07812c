/** A submission's own deadline: when it passes, its client is told, and its work is given up. */
import { Fault } from "../../core/fault.ts";
import type { Submission } from "./live-request.ts";
import { detachedRequest, type Ticket } from "./live-request.ts";

/** Longer waits than the event loop's timers can count are none. */
const LONGEST_MS = 2 ** 31 - 1;

/** Throws Fault("deadline-exceeded") when it has passed already, and what `start` throws. */
export function withDeadline(
  submission: Submission,
  start: (submission: Submission) => Ticket,
): Ticket {
  const { deadlineMs } = submission;
  if (deadlineMs === undefined || deadlineMs > LONGEST_MS) return start(submission);
  if (!(deadlineMs > 0)) {
    throw new Fault("deadline-exceeded", "its deadline had passed before it came");
  }
  let ticket: Ticket | undefined;
  let open = true;
  const close = (): boolean => {
    clearTimeout(timer);
    const was = open;
    open = false;
    return was;
  };
  const timer = setTimeout(() => {
    if (!close()) return;
    ticket?.cancel();
    const message = `no answer within the ${Math.round(deadlineMs)} ms that its client waits`;
    const error = { code: "deadline-exceeded", message } as const;
    const request = detachedRequest(submission);
    submission.answer({ outcome: "cancelled", error, request, endedUs: 0 });
  }, deadlineMs);
  const answer: Submission["answer"] = (given) => {
    if (close()) submission.answer(given);
  };
  try {
    ticket = start({ ...submission, answer });
  } catch (error) {
    close();
    throw error;
  }
  const cancel = (): void => {
    if (close()) ticket?.cancel();
  };
  return { cancel };
}
