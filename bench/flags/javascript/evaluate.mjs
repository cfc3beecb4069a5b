// Copyright: (c) 2026, Pincex release engineering
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// What the JavaScript core makes of a document. Standard input: {"document": TEXT, "flags": [BOOLEAN FLAG, ...],
// "users": N}. Standard output: {"core": VERSION, "node": VERSION, "variants": {FLAG: [VARIANT of user-0, user-1, ...]}}.

import { createRequire } from "node:module";
import { FlagdCore } from "@openfeature/flagd-core";

const quiet = { error() {}, warn() {}, info() {}, debug() {} };

let text = "";
process.stdin.setEncoding("utf8");
for await (const part of process.stdin) text += part;
const { document, flags, users } = JSON.parse(text);

const core = new FlagdCore();
core.setConfigurations(document);
const variants = {};
for (const flag of flags) {
  variants[flag] = Array.from(
    { length: users },
    (_, user) => core.resolveBooleanEvaluation(flag, true, { targetingKey: `user-${user}` }, quiet).variant ?? null,
  );
}
const { version } = createRequire(import.meta.url)("@openfeature/flagd-core/package.json");
process.stdout.write(`${JSON.stringify({ core: version, node: process.version, variants })}\n`);
