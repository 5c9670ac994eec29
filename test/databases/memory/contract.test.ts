import { databaseContract } from "../../contract/database-contract.js";
import { openContractMemory } from "../../support/contract-local.js";

databaseContract("memory", openContractMemory);
