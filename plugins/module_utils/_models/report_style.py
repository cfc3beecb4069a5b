# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the report looks. Colours are told apart by everybody (Okabe and Ito), and no line by its colour alone."""

from __future__ import annotations

import typing as t

STYLE: t.Final = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2733; --soft: #5a6875; --grid: #dde3e8; --box: #f5f7f9;
  --champion: #0072b2; --challenger: #d55e00; --before: #7a8591; --limit: #b3123b;
  --pass: #0b7a4b; --fail: #b3123b; --hold: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --paper: #14191f; --ink: #e6ebf0; --soft: #a2aeb9; --grid: #333d47;
  --box: #1d242c; --champion: #56b4e9; --challenger: #f0883e; --before: #8d99a5; --limit: #ff7b95;
  --pass: #4cc38a; --fail: #ff7b95; --hold: #e3b341; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 20px 16px 32px; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, "Liberation Sans", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 22px; margin: 0 0 2px; } h2 { font-size: 16px; margin: 0 0 2px; }
p { margin: 0; } .soft, figcaption p { color: var(--soft); font-size: 13px; }
.verdict { border-left: 6px solid; background: var(--box); padding: 10px 14px; margin: 14px 0; border-radius: 3px; }
.verdict strong { font-size: 20px; margin-right: 10px; } .verdict ul { margin: 6px 0 0; padding-left: 20px; }
.pass { color: var(--pass); } .fail { color: var(--fail); } .hold { color: var(--hold); }
.verdict.pass, .verdict.fail, .verdict.hold { border-color: currentColor; } .verdict > * { color: var(--ink); }
.verdict > p > strong { color: inherit; } .verdict.pass p strong { color: var(--pass); }
.verdict.fail p strong { color: var(--fail); } .verdict.hold p strong { color: var(--hold); }
.facts { display: flex; flex-wrap: wrap; gap: 6px 26px; margin: 12px 0 18px; }
.facts div { min-width: 84px; } .facts b { display: block; font-size: 18px; font-variant-numeric: tabular-nums; }
.facts span { color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: 5px 10px 5px 0; border-top: 1px solid var(--grid); }
th { font-weight: 600; color: var(--soft); font-size: 13px; } td b { text-transform: uppercase; font-size: 12px; }
.checks th, .checks td:nth-child(-n+2) { white-space: nowrap; }
.warning { margin: 0 0 12px; } .numbers { margin-top: 8px; font-size: 13px; }
.numbers td { font-variant-numeric: tabular-nums; } .numbers small { color: var(--soft); white-space: nowrap; }
.plots { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 26px 34px; margin-top: 26px; }
figure { margin: 0; min-width: 0; } svg { display: block; width: 100%; height: auto; margin-top: 6px; }
.key { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 13px; margin-top: 4px; }
.key i { display: inline-block; width: 18px; border-top: 3px solid; margin: 0 6px 4px 0; }
.key .champion i { color: var(--champion); border-top-style: dashed; } .key .challenger i { color: var(--challenger); }
.key .before i { color: var(--before); border-top-style: dotted; } .key .limit i { color: var(--limit); }
.key .recent i { color: var(--challenger); border-top-width: 1px; }
.empty { color: var(--soft); border: 1px dashed var(--grid); padding: 28px 12px; margin-top: 8px; text-align: center; }
svg text { font-size: 11.5px; fill: var(--soft); } svg text.of-limit { fill: var(--limit); }
.grid { stroke: var(--grid); stroke-width: 1; } .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.champion { stroke: var(--champion); stroke-dasharray: 7 3; } .line.challenger { stroke: var(--challenger); }
.line.before { stroke: var(--before); stroke-dasharray: 2 3; } .line.limit { stroke: var(--limit); stroke-width: 1.5; }
.line.recent { stroke: var(--challenger); stroke-width: 1; opacity: .6; }
.band { stroke: none; fill: var(--challenger); opacity: .16; }
.interval { fill: none; stroke-width: 7; opacity: .35; } .interval.champion { stroke: var(--champion); }
.interval.challenger { stroke: var(--challenger); } .limit-at { stroke: var(--limit); stroke-width: 2.5; }
.dot { stroke: var(--paper); stroke-width: 1; } .dot.challenger { fill: var(--challenger); }
.dot.champion { fill: var(--paper); stroke: var(--champion); stroke-width: 2; }
@media (max-width: 760px) { .plots { grid-template-columns: minmax(0, 1fr); } .verdict strong { display: block; }
  .checks thead { display: none; } .checks tr { display: grid; grid-template-columns: 1fr auto; padding: 6px 0;
  border-top: 1px solid var(--grid); } .checks td { border: 0; padding: 0; }
  .checks td:nth-child(3) { grid-column: 1 / -1; } }
@media print { body { max-width: none; } figure, tr { break-inside: avoid; } }
"""
