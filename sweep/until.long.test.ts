import "./until.test.ts";
