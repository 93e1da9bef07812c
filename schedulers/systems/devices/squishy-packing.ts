/**
 * Nexus' squishy bin packing: sessions (a model, its goal and its rate) onto as few devices as can be, where the batch of a
 * session, and so its share of a device, shrinks with the time between its turns.
 *
 *   saturate   whole devices for as long as the rate fills them: the b of most throughput with
 *              2 × time(b) <= goal
 *   residual   the rest alone: the largest b with (b − 1) / rate + time(b) <= goal; its duty cycle is
 *              the time that the batch takes to gather
 *   merge      the most occupied first, into the node that is then fullest: the shortest duty cycle d
 *              holds for all, each takes ceil(d × rate) at once, and all fit when their times sum to d
 *
 * Source: Shen et al., Nexus, SOSP 2019, section 6.1 (algorithm 1); uwsampl/nexus for the bounds.
 */
import { batchWithin } from "../../rules/ways.ts";

export interface Session {
  readonly ratePerS: number;
  /** Latency goal, µs. */
  readonly goalUs: number;
  /** Time of a batch by its size, µs; index 0 is unused. */
  readonly batchUs: ArrayLike<number>;
}

/** A session's part of a device. */
interface Share {
  /** Its place among the sessions. */
  readonly session: number;
  readonly ratePerS: number;
  readonly batch: number;
  readonly batchUs: number;
  /** The longest duty cycle that it allows, µs. */
  readonly dutyUs: number;
}

/** One device: its shares run one after the other, once in each duty cycle. */
export interface PackedDevice {
  readonly dutyUs: number;
  /** Busy share of the duty cycle, 0..1. */
  readonly occupancy: number;
  readonly shares: readonly Share[];
}

/** Close to a whole number is that number. */
const TOLERANCE = 1e-6;

/** The batch of most throughput of a device that does nothing else; 0: not one job is in time. */
export function saturatingBatch(session: Session): number {
  const { batchUs } = session;
  const largest = largestBatch(session);
  let best = 0;
  for (let batch = 1; batch <= largest; batch++) {
    if (best === 0 || batch / batchUs[batch] >= best / batchUs[best]) best = batch;
  }
  return best;
}

/** The largest batch that is in time on a device that does nothing else. */
function largestBatch({ goalUs, batchUs }: Session): number {
  if (batchUs.length < 2) return 0;
  // Half of the goal passes while a batch gathers.
  const batch = batchWithin(batchUs, batchUs.length - 1, goalUs / 2);
  return batch === 0 && batchUs[1] <= goalUs ? 1 : batch;
}

/** A rate below saturation on a device of its own; one job alone is in time. */
function residualShare(session: Session, id: number, ratePerS: number): Share {
  const { goalUs, batchUs } = session;
  const most = largestBatch(session);
  let batch = 1;
  while (batch < most && (batch * 1e6) / ratePerS + batchUs[batch + 1] <= goalUs) batch++;
  const dutyUs = Math.min(goalUs - batchUs[batch], (batch * 1e6) / ratePerS);
  return { session: id, ratePerS, batch, batchUs: batchUs[batch], dutyUs };
}

/** The device with one share more; null where it does not fit. */
function merged(
  sessions: readonly Session[],
  device: PackedDevice,
  share: Share,
): PackedDevice | null {
  const dutyUs = Math.min(device.dutyUs, share.dutyUs);
  const shares: Share[] = [];
  let sumUs = 0;
  for (const one of [...device.shares, share]) {
    const { batchUs, goalUs } = sessions[one.session];
    const batch = Math.max(1, Math.ceil((dutyUs * one.ratePerS) / 1e6 - TOLERANCE));
    if (batch >= batchUs.length || dutyUs + batchUs[batch] > goalUs + TOLERANCE) return null;
    sumUs += batchUs[batch];
    shares.push({ ...one, batch, batchUs: batchUs[batch] });
  }
  if (sumUs > dutyUs + TOLERANCE) return null;
  return { dutyUs, occupancy: sumUs / dutyUs, shares };
}

/** Sessions of which not even a job alone is in time have no share. */
export function packSessions(sessions: readonly Session[]): readonly PackedDevice[] {
  const devices: PackedDevice[] = [];
  const residuals: Share[] = [];
  sessions.forEach((session, id) => {
    const batch = saturatingBatch(session);
    if (session.ratePerS <= 0 || batch === 0) return;
    const batchUs = session.batchUs[batch];
    const fullPerS = (batch * 1e6) / batchUs;
    const full = Math.floor(session.ratePerS / fullPerS + TOLERANCE);
    const share = { session: id, ratePerS: fullPerS, batch, batchUs, dutyUs: batchUs };
    for (let i = 0; i < full; i++) {
      devices.push({ dutyUs: batchUs, occupancy: 1, shares: [share] });
    }
    const leftPerS = session.ratePerS - full * fullPerS;
    if (leftPerS > TOLERANCE * fullPerS) residuals.push(residualShare(session, id, leftPerS));
  });
  const occupancy = ({ batchUs, dutyUs }: Share): number => batchUs / dutyUs;
  residuals.sort((a, b) => occupancy(b) - occupancy(a) || a.session - b.session);
  for (const share of residuals) {
    let best = -1;
    let fullest: PackedDevice | null = null;
    devices.forEach((device, i) => {
      const next = device.occupancy >= 1 ? null : merged(sessions, device, share);
      if (next === null || next.occupancy <= (fullest?.occupancy ?? -1)) return;
      best = i;
      fullest = next;
    });
    // A share that needs all of a device may take more than its duty cycle.
    const alone = Math.min(1, occupancy(share));
    if (fullest !== null) devices[best] = fullest;
    else devices.push({ dutyUs: share.dutyUs, occupancy: alone, shares: [share] });
  }
  return devices;
}
