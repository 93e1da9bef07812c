import "./trial.test.ts";
