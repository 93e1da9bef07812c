import "./bundle.test.ts";
