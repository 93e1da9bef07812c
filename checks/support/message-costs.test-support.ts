/** A profile of messages, for validations that need no pilot: a pilot takes 25 s, as long as several short runs. */
export const MESSAGE_COSTS = {
  schema: "tandem/overhead@1",
  provenance: {
    kind: "imported",
    model: "any",
    device: "any",
    host: "any",
    runtime: "any",
    date: "any",
  },
  clientRoundTripUs: [400, 500, 700],
  workerRoundTripUs: [250, 300, 450],
  gateway: { arrivalUs: 60, dispatchUs: 80, completionUs: 50 },
  contention: [1],
};
