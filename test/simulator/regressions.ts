// Worlds that once showed a bug, made as small as they go. Each stays, so that the bug does.

import type { Scenario } from "../history/scenario.js";

export const regressions: readonly { readonly bug: string; readonly scenario: Scenario }[] = [];
