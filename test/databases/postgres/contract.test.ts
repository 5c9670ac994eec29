import { databaseContract } from "../../contract/database-contract.js";
import { openContractPostgres } from "../../support/contract-postgres.js";

databaseContract("PostgreSQL", () => openContractPostgres());
