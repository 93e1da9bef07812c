import "./sequential.test.ts";
