/** The thread behind `precise-timer.ts`: sleeps in Atomics.wait, spins for the last moment. */
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { monotonicUs } from "./monotonic.ts";

interface Alarm {
  readonly id: number;
  readonly atUs: number;
}

const { port, signal } = workerData as { port: MessagePort; signal: Int32Array };
/** A sleep ends about 0.1 ms late; the rest is spun away, at 1 to 2% of a core. */
const SPIN_US = 150;
const alarms: Alarm[] = [];

for (;;) {
  const seen = Atomics.load(signal, 0);
  takeRequests();
  const next = alarms[0];
  if (next === undefined) {
    Atomics.wait(signal, 0, seen);
    continue;
  }
  const leftUs = next.atUs - monotonicUs();
  if (leftUs > SPIN_US) {
    Atomics.wait(signal, 0, seen, (leftUs - SPIN_US) / 1000);
    continue;
  }
  while (monotonicUs() < next.atUs);
  alarms.shift();
  port.postMessage(next.id);
}

/** New alarms go into their place; one that is repeated with a new time moves. */
function takeRequests(): void {
  for (;;) {
    const received = receiveMessageOnPort(port);
    if (received === undefined) return;
    const alarm = received.message as Alarm;
    const old = alarms.findIndex(({ id }) => id === alarm.id);
    if (old >= 0) alarms.splice(old, 1);
    if (alarm.atUs === Number.POSITIVE_INFINITY) continue;
    const after = alarms.findIndex(({ atUs }) => atUs > alarm.atUs);
    alarms.splice(after < 0 ? alarms.length : after, 0, alarm);
  }
}
