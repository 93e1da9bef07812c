import "./device-contract.test.ts";
