import "./pipeline.test.ts";
