import "./invariants.test.ts";
