import "./shard.test.ts";
