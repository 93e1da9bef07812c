import "./infer-codec.test.ts";
