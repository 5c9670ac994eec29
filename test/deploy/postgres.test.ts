import { tryDeploys } from "./try-deploys.js";

tryDeploys(["postgres", "tiers"]);
