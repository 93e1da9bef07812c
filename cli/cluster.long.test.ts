import "./cluster.test.ts";
