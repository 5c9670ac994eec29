import { acquiringMutants } from "./acquiring-mutants.js";
import { edgeMutants } from "./edge-mutants.js";
import { grantingScriptMutants } from "./granting-mutants.js";
import { holdersMutants } from "./holders-mutants.js";
import { leaseMutants } from "./lease-mutants.js";
import { judgingScriptMutants } from "./judging-mutants.js";
import { manyKeysMutants } from "./many-keys-mutants.js";
import { oneHostMutants } from "./one-host-mutants.js";
import type { Mutant } from "./mutant.js";
import { environmentMutants } from "./environment-mutants.js";
import { postgresMutants } from "./postgres-mutants.js";
import { postgresRuleMutants } from "./postgres-rules-mutants.js";
import { routeMutants } from "./route-mutants.js";
import { tiersMutants } from "./tiers-mutants.js";
import { waitingMutants } from "./waiting-mutants.js";
import { workerMutants } from "./worker-mutants.js";

export { laterMutants } from "./mutant.js";

export const mutants: readonly Mutant[] = [
  ...workerMutants,
  ...judgingScriptMutants,
  ...grantingScriptMutants,
  ...leaseMutants,
  ...acquiringMutants,
  ...edgeMutants,
  ...waitingMutants,
  ...holdersMutants,
  ...manyKeysMutants,
  ...oneHostMutants,
  ...routeMutants,
  ...postgresMutants,
  ...postgresRuleMutants,
  ...tiersMutants,
  ...environmentMutants,
];
