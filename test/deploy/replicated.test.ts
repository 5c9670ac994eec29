import { tryDeploys } from "./try-deploys.js";

tryDeploys(["sentinel", "cluster"]);
