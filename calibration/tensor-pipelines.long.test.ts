import "./tensor-pipelines.test.ts";
