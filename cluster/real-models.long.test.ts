import "./real-models.test.ts";
