import "./workloads.test.ts";
