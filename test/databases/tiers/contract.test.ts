import { databaseContract } from "../../contract/database-contract.js";
import { openContractTiers } from "../../support/contract-tiers.js";

databaseContract("Two tiers", openContractTiers);
