"""The style sheet of the report, and the policy that allows it and nothing else."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark;
  --paper: #fff; --ink: #1c2024; --soft: #5b646d; --rule: #d5dadf; --panel: #f5f7f9; --link: #0b5cad;
  --c0: #2471b5; --c1: #e39a1b; --c2: #14927a; --c3: #c2679d; --c4: #74bbe6; --c5: #cf5413;
  --positive: #2471b5; --negative: #cf5413; --note: #8a5a00; --note-panel: #fdf5e3; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #15181b; --ink: #e4e7ea; --soft: #a0a9b1; --rule: #363d44; --panel: #1e2327; --link: #7fb8f0;
  --c0: #4f9bdc; --c1: #e5a83c; --c2: #33b396; --c3: #d486b2; --c4: #8ccaee; --c5: #e67a3f;
  --positive: #4f9bdc; --negative: #e67a3f; --note: #f0c674; --note-panel: #2a2517; } }
@media print { :root { color-scheme: light;
  --paper: #fff; --ink: #000; --soft: #444; --rule: #bbb; --panel: #f5f7f9; --link: #000;
  --c0: #2471b5; --c1: #e39a1b; --c2: #14927a; --c3: #c2679d; --c4: #74bbe6; --c5: #cf5413;
  --positive: #2471b5; --negative: #cf5413; --note: #8a5a00; --note-panel: #fdf5e3; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; text-wrap: balance; }
h2 { font-size: 1.35rem; margin: 3rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1.1rem; margin: 2.25rem 0 .5rem; }
h4 { font-size: .95rem; margin: 1.25rem 0 .35rem; }
h1, h2, h3, h4, p, li, dd { overflow-wrap: anywhere; }
td, th { overflow-wrap: break-word; }
p, ul, dl { max-width: 46rem; }
a { color: var(--link); }
.soft, figcaption, .caption { color: var(--soft); font-size: .875rem; }
.purpose { font-size: 1.1rem; margin: 0 0 .5rem; }
nav { background: var(--panel); border-radius: 8px; padding: .75rem 1.25rem; margin: 1.5rem 0; }
nav ol { margin: 0; padding-left: 1.25rem; }
nav ol ol { columns: 17rem; column-gap: 2rem; padding-left: 1rem; list-style: none; font-size: .9rem; }
nav li { margin: .15rem 0; break-inside: avoid; }
.wide { overflow-x: auto; margin: .5rem 0 1rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums lining-nums; }
caption { text-align: left; color: var(--soft); font-size: .875rem; padding: 0 0 .35rem; }
th, td { padding: .2rem .9rem .2rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rule); }
th { font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 400; vertical-align: top; min-width: 5rem; }
th.n, td.n { text-align: right; padding: .2rem 0 .2rem 1.1rem; overflow-wrap: normal; }
td.n { white-space: pre; }
td.hidden { color: var(--soft); }
dl { margin: 0; display: grid; grid-template-columns: minmax(8rem, 13rem) 1fr; gap: .45rem 1.25rem;
  max-width: none; }
dt { color: var(--soft); }
dd { margin: 0; }
dd p { margin: 0 0 .3rem; }
.part { display: flex; flex-wrap: wrap; gap: 0 2rem; align-items: flex-start; break-inside: avoid; }
.part > .wide { flex: 0 1 auto; max-width: 100%; }
.part > figure { flex: 1 1 32rem; max-width: 38rem; }
figure { margin: .5rem 0 1rem; overflow-x: auto; break-inside: avoid; }
svg { display: block; width: 100%; min-width: 27rem; height: auto; }
.notes { background: var(--note-panel); border-left: 3px solid var(--note); border-radius: 0 6px 6px 0;
  padding: .5rem 1rem .5rem 2rem; margin: .75rem 0; font-size: .925rem; }
code, pre, .mono { font-family: ui-monospace, "SF Mono", Consolas, "Liberation Mono", monospace;
  font-size: .85rem; overflow-wrap: anywhere; }
pre { background: var(--panel); border-radius: 8px; padding: 1rem 1.25rem; white-space: pre-wrap; }
svg text { font: 12px system-ui, "Segoe UI", Roboto, Arial, sans-serif; fill: var(--ink);
  font-variant-numeric: tabular-nums; }
svg text.name { fill: var(--soft); }
svg text.small { font-size: 11px; }
.grid { stroke: var(--rule); stroke-width: 1; }
.axis { stroke: var(--soft); stroke-width: 1; }
.zero { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 4 3; }
.interval { stroke: var(--c0); stroke-width: 2; }
.median { stroke: var(--ink); stroke-width: 3; }
.box { fill: var(--c0); fill-opacity: .25; stroke: var(--c0); stroke-width: 1.5; }
.masked { fill: none; stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 2; }
.positive { fill: var(--positive); } .negative { fill: var(--negative); }
.c0 { fill: var(--c0); } .c1 { fill: var(--c1); } .c2 { fill: var(--c2); }
.c3 { fill: var(--c3); } .c4 { fill: var(--c4); } .c5 { fill: var(--c5); }
svg text.on { fill: #000; }
@media (max-width: 40rem) { body { padding: 1.25rem 1rem 3rem; } h1 { font-size: 1.5rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dt { margin-top: .6rem; } }
@media print { @page { margin: 18mm 16mm; } body { padding: 0; max-width: none; font-size: 10.5pt; }
  table { font-size: 8.5pt; } th.n, td.n { padding-left: .7rem; }
  h2, h3, h4 { break-after: avoid; } tr, .notes { break-inside: avoid; } .wide, figure { overflow: visible; }
  thead { display: table-header-group; } svg { min-width: 0; print-color-adjust: exact;
  -webkit-print-color-adjust: exact; } figure { max-width: 15cm; } }
"""

_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
"""No script, no network, no other style: also should something of what others wrote slip through."""
