import { describe, expect, it } from "vitest";
import { messageCosts } from "./message-costs.ts";

const COSTS = {
  ...{ arrivalUs: 900, dispatchUs: 40, completionUs: 1000, receiveUs: 800 },
  ...{ arrivals: 3, dispatches: 3, completions: 3 },
};

describe("messageCosts", () => {
  it("takes out of the round trips what it tells as the gateway's: the sum is what was measured", () => {
    const { clientRoundTripUs, workerRoundTripUs, gateway } = messageCosts({
      clientRoundTripUs: [1500, 2500, 2000],
      workerRoundTripUs: [1100, 1700, 3200],
      costs: COSTS,
    });
    expect(clientRoundTripUs.map((us) => us + COSTS.receiveUs)).toEqual([1500, 2000, 2500]);
    const outside = gateway.dispatchUs + COSTS.receiveUs;
    expect(workerRoundTripUs.map((us) => us + outside)).toEqual([1100, 1700, 3200]);
    expect(gateway).toEqual({ arrivalUs: 900, dispatchUs: 40, completionUs: 1000 });
  });

  it("never makes a round trip negative", () => {
    const { clientRoundTripUs } = messageCosts({
      clientRoundTripUs: [100],
      workerRoundTripUs: [],
      costs: COSTS,
    });
    expect(clientRoundTripUs).toEqual([0]);
  });
});
