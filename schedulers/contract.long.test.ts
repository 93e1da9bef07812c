import "./contract.test.ts";
