import "./faults-properties.test.ts";
