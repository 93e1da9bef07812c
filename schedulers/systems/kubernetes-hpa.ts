/**
 * Kubernetes' HorizontalPodAutoscaler (autoscaling/v2) with its documented defaults: a decision each
 * 15 s, tolerance 0.1, 300 s of stabilisation down and none up, and up by 100% or 4 pods in 15 s,
 * whichever is more. All of it is the rule `target-utilization` and the autoscaler's down window.
 */
import { preset, type SystemPack } from "./system-pack.ts";

export const kubernetesHpa: SystemPack = {
  presets: {
    "kubernetes-hpa": preset(
      "one central queue, replicas by utilisation as Kubernetes' autoscaler orders them",
      {
        scaling: {
          policy: "target-utilization",
          ...{ target: 0.7, tolerance: 0.1, upReplicas: 4, upPercent: 100, upPeriodS: 15 },
          ...{ intervalS: 15, downWindowS: 300 },
        },
      },
    ),
  },
};
