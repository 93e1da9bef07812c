import "./device-scenarios.test.ts";
