/**
 * A place where batches spend time on their way. A batch is named by the replica that it is for, and
 * it is at one station at a time, so the replica's one slot in the calendar says when it goes on.
 */
export interface Station {
  /** A batch comes in. True: it goes on at once and no slot was set. */
  enter(replica: number, nowUs: number): boolean;
  /** The replica's slot was due. True: its batch goes on; false: the slot is set anew. */
  due(replica: number, nowUs: number): boolean;
  /** The batch that is here goes no further. Its own slot is the caller's to clear. */
  abandon(replica: number, nowUs: number): void;
}
