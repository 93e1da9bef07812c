import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TimeLimit } from "./time-limit.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a time limit", () => {
  it("passes once", () => {
    const passed = vi.fn();
    new TimeLimit(passed).set(100);
    vi.advanceTimersByTime(99);
    expect(passed).not.toHaveBeenCalled();
    vi.advanceTimersByTime(500);
    expect(passed).toHaveBeenCalledOnce();
  });

  it("counts from its last set, longer or shorter", () => {
    const passed = vi.fn();
    const limit = new TimeLimit(passed);
    limit.set(100);
    vi.advanceTimersByTime(60);
    limit.set(100);
    vi.advanceTimersByTime(99);
    expect(passed).not.toHaveBeenCalled();
    limit.set(10);
    vi.advanceTimersByTime(10);
    expect(passed).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(1000);
    expect(passed).toHaveBeenCalledOnce();
  });

  it("does not pass after a clear, and passes after another set", () => {
    const passed = vi.fn();
    const limit = new TimeLimit(passed);
    limit.set(100);
    limit.clear();
    vi.advanceTimersByTime(90);
    limit.set(100);
    vi.advanceTimersByTime(99);
    expect(passed).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(passed).toHaveBeenCalledOnce();
  });

  it("can be set again when it passes, and leaves no timer after a close", () => {
    let times = 0;
    const limit = new TimeLimit(() => {
      if (++times < 3) limit.set(50);
    });
    limit.set(50);
    vi.advanceTimersByTime(1000);
    expect(times).toBe(3);
    limit.set(50);
    limit.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});
