import "./secured-deployment.test.ts";
