import "./replica-control.test.ts";
