import { databaseContract } from "../../contract/database-contract.js";
import { openContractSqlite } from "../../support/contract-local.js";

databaseContract("sqlite", () => openContractSqlite());
