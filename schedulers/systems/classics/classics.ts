/** The textbook's schedulers beyond the simplest, as presets. */
import { preset, type SystemPack } from "../../rules/policy-definition.ts";
import { balking } from "./balking.ts";
import { leastRemaining, leastSlack, shortestExpected } from "./by-expected-work.ts";
import { joinIdleQueue } from "./join-idle-queue.ts";
import { locality } from "./locality.ts";
import { weightedFair } from "./weighted-fair.ts";
import { weightedRoundRobin } from "./weighted-round-robin.ts";
import { workStealing } from "./work-stealing.ts";

export const classics: SystemPack = {
  policies: {
    admission: [balking],
    routing: [joinIdleQueue, weightedRoundRobin],
    ordering: [shortestExpected, leastRemaining, leastSlack, weightedFair],
    controller: [workStealing, locality],
  },
  presets: {
    sjf: preset("one central queue, shortest expected service first", {
      ordering: "shortest-expected",
    }),
    srpt: preset("one central queue, least expected remaining work first", {
      ordering: "least-remaining",
    }),
    "least-slack": preset("one central queue, least slack first", { ordering: "least-slack" }),
    "join-idle-queue": preset(joinIdleQueue.summary, { routing: "join-idle-queue" }),
    "weighted-round-robin": preset(weightedRoundRobin.summary, { routing: "weighted-round-robin" }),
    "weighted-fair": preset("one central queue, pipelines share it by weight", {
      ordering: "weighted-fair",
    }),
    "work-stealing": preset("replicas in turn; an idle one takes from the longest queue", {
      routing: "round-robin",
      controller: "work-stealing",
    }),
    locality: preset("a replica on the node of the request's last job", { controller: "locality" }),
  },
};
