/**
 * Replicas in buckets by load, so that a least loaded one is found in O(1). Within a bucket the
 * replica that has had this load longest comes first, which spreads ties evenly.
 */
// Hot path: see docs/hot-path.md
const NONE = -1;

export class LengthIndex {
  declare private readonly first: number;
  declare private readonly load: Int32Array;
  declare private readonly next: Int32Array;
  declare private readonly previous: Int32Array;
  private head = new Int32Array(16).fill(NONE);
  private tail = new Int32Array(16).fill(NONE);
  private leastLoad = 0;
  private members = 0;

  /** Replicas are numbered first .. first + count − 1; none is a member yet. */
  constructor(first: number, count: number) {
    this.first = first;
    this.load = new Int32Array(count).fill(NONE);
    this.next = new Int32Array(count);
    this.previous = new Int32Array(count);
  }

  /** A least loaded member, or −1 if there is none. */
  least(): number {
    if (this.members === 0) return NONE;
    return this.first + this.head[this.leastLoad];
  }

  /** Sets a replica's load, making it a member; a load of −1 takes it out. */
  set(replica: number, load: number): void {
    const member = replica - this.first;
    if (this.load[member] === load) return;
    if (this.load[member] === NONE) this.members++;
    else this.unlink(member);
    this.load[member] = load;
    if (load === NONE) {
      this.members--;
    } else {
      if (load >= this.head.length) this.growTo(load + 1);
      this.append(member, load);
      if (load < this.leastLoad) this.leastLoad = load;
    }
    if (this.members > 0) while (this.head[this.leastLoad] === NONE) this.leastLoad++;
    else this.leastLoad = 0;
  }

  private append(member: number, load: number): void {
    const tail = this.tail[load];
    this.previous[member] = tail;
    this.next[member] = NONE;
    if (tail === NONE) this.head[load] = member;
    else this.next[tail] = member;
    this.tail[load] = member;
  }

  private unlink(member: number): void {
    const load = this.load[member];
    const next = this.next[member];
    const previous = this.previous[member];
    if (previous === NONE) this.head[load] = next;
    else this.next[previous] = next;
    if (next === NONE) this.tail[load] = previous;
    else this.previous[next] = previous;
  }

  private growTo(size: number): void {
    const length = Math.max(size, this.head.length * 2);
    const head = new Int32Array(length).fill(NONE);
    const tail = new Int32Array(length).fill(NONE);
    head.set(this.head);
    tail.set(this.tail);
    this.head = head;
    this.tail = tail;
  }
}
