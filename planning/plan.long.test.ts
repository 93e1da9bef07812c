import "./plan.test.ts";
