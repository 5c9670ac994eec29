import { after } from "node:test";
import { databaseContract } from "../../contract/database-contract.js";
import { closeRegister, openContractTiers } from "../../support/contract-tiers.js";

after(closeRegister);
databaseContract("Two tiers", openContractTiers);
