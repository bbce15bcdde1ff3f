/**
 * The one style of the page. Colours are variables with two values each; every pair of text and ground has a
 * contrast of at least 4.5 (WCAG 2.2, 1.4.3).
 */
export const style = `
:root {
  --ground: #f4f6f8; --panel: #ffffff; --text: #1b222b; --quiet: #55606d; --line: #d3d9e0; --strong-line: #7b8794;
  --accent: #1d5bb8; --accent-soft: #dbe7f8; --good: #17693a; --warning: #8a4f00; --bad: #b0241c;
  --good-soft: #e2f2e7; --warning-soft: #fbeed6; --bad-soft: #fbe3e1; --bar: #4b83d1; --bar-2: #8a6fc8; --none: #e6eaee;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161b; --panel: #1b2128; --text: #e7ebef; --quiet: #a5b0bc; --line: #343d48; --strong-line: #7f8b98;
    --accent: #86b7ff; --accent-soft: #223450; --good: #74d69a; --warning: #f2b75c; --bad: #ff938a;
    --good-soft: #19301f; --warning-soft: #35280f; --bad-soft: #3d1c1a; --bar: #6aa2ee; --bar-2: #b29bea; --none: #2a323b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--ground); color: var(--text); overflow-wrap: anywhere;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
header, main, footer { max-width: 74rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.5rem; }
footer { padding-top: 1rem; padding-bottom: 2rem; color: var(--quiet); font-size: .875rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem .75rem; font-size: 1.3rem; line-height: 1.3; margin: 2.5rem 0 .5rem; }
.part h2 { margin-top: 0; font-size: 1.05rem; }
h3 { font-size: 1.05rem; margin: 0 0 .5rem; }
h4 { font-size: .95rem; margin: 1rem 0 .25rem; }
p { margin: .25rem 0 .75rem; }
a { color: var(--accent); }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .875em; }
pre {
  margin: .25rem 0 .5rem; padding: .6rem .75rem; background: var(--ground); border: 1px solid var(--line); border-radius: .4rem;
  white-space: pre-wrap; overflow-wrap: anywhere;
}
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .2rem; }
.skip { position: absolute; left: -100rem; background: var(--panel); padding: .5rem 1rem; z-index: 2; }
.skip:focus { left: .5rem; top: .5rem; }
.quiet { color: var(--quiet); }
.small { font-size: .875rem; }
.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { display: inline-flex; gap: .5rem; align-items: center; font-weight: 700; padding: .2rem .7rem; border-radius: 1rem; }
.verdict svg, .tile svg, .legend svg, .with-mark svg, td svg { width: 1em; height: 1em; flex: none; }
td svg, .with-mark svg { vertical-align: -.125em; margin-right: .35em; }
.state-good { color: var(--good); } .state-warning { color: var(--warning); } .state-broken { color: var(--bad); } .state-note { color: var(--quiet); }
.verdict.state-good, .tile.state-good { background: var(--good-soft); }
.verdict.state-warning, .tile.state-warning { background: var(--warning-soft); }
.verdict.state-broken, .tile.state-broken { background: var(--bad-soft); }
.tiles { align-items: start; list-style: none; margin: .75rem 0; padding: 0; display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.tile { background: var(--panel); border: 1px solid var(--line); border-left: .35rem solid currentColor; border-radius: .4rem; padding: .6rem .8rem; }
.tile.state-broken { border-color: currentColor; }
.tile p { color: var(--text); margin: .25rem 0 0; font-size: .925rem; }
.tile .head { display: flex; gap: .4rem; align-items: center; font-weight: 700; }
.figures { margin: .75rem 0; display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(max(9.5rem, 25% - .75rem), 1fr)); }
.figure { background: var(--panel); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem; }
.figure dt { color: var(--quiet); font-size: .85rem; }
.figure dd { margin: 0; font-size: 1.15rem; font-weight: 600; line-height: 1.35; }
.figure dd.more { font-size: .85rem; font-weight: 400; color: var(--quiet); }
.columns { columns: 2 28rem; column-gap: .9rem; margin-bottom: .9rem; }
.part { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .9rem 1rem; margin: 0 0 .9rem; break-inside: avoid; }
.wide { content-visibility: auto; contain-intrinsic-size: auto 36rem; }
figure { margin: 0 0 .75rem; }
figcaption { color: var(--quiet); font-size: .9rem; margin: .35rem 0; }
.plot { display: grid; grid-template-columns: minmax(0, 1fr); }
.plot svg { width: 100%; height: 7rem; display: block; }
.plot.low svg { height: 2.2rem; }
.axis { display: flex; justify-content: space-between; gap: 1rem; color: var(--quiet); font-size: .8rem; }
.calendar > svg { width: 100%; max-width: 30rem; height: auto; display: block; }
.bar { fill: var(--bar); } .bar-2 { fill: var(--bar-2); } .bar-3 { fill: var(--strong-line); } .bar-4 { fill: var(--warning); } .bar-5 { fill: var(--good); }
.failed { fill: var(--bad); } .passed { fill: var(--good); } .none { fill: var(--none); } .some { fill: var(--warning); }
.target { stroke: var(--text); stroke-width: 2; stroke-dasharray: 6 4; vector-effect: non-scaling-stroke; }
.base { stroke: var(--strong-line); stroke-width: 1; vector-effect: non-scaling-stroke; }
.cross { stroke: var(--panel); stroke-width: 2.5; }
.curve { fill: none; stroke: var(--bar); stroke-width: 2; vector-effect: non-scaling-stroke; }
.swatch { stroke: none; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; margin: .35rem 0; font-size: .85rem; color: var(--quiet); }
.links { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; margin: .5rem 0; }
.legend li { display: flex; gap: .4rem; align-items: center; }
.scroll { overflow: auto; max-width: 100%; max-height: 32rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
.caption { color: var(--quiet); font-size: .85rem; margin: .5rem 0 .25rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); overflow-wrap: break-word; max-width: 40rem; }
th { color: var(--quiet); font-weight: 600; white-space: nowrap; position: sticky; top: 0; background: var(--panel); }
td time { white-space: nowrap; }
td.number, th.number { text-align: right; white-space: nowrap; }
.mark { white-space: nowrap; }
details { margin: .35rem 0; }
summary { cursor: pointer; color: var(--accent); padding: .15rem 0; }
fieldset { border: 1px solid var(--line); border-radius: .4rem; margin: 0 0 .75rem; padding: .5rem .75rem .75rem; min-width: 0; }
legend { font-weight: 600; padding: 0 .3rem; }
label { display: block; padding: .2rem 0; }
input, select, button { font: inherit; color: inherit; }
input[type=text], input[type=datetime-local], select {
  width: 100%; max-width: 34rem; padding: .35rem .5rem; background: var(--panel); border: 1px solid var(--strong-line); border-radius: .3rem;
}
button { padding: .35rem .8rem; border: 1px solid var(--strong-line); border-radius: .3rem; background: var(--panel); cursor: pointer; }
.choices { max-height: 14rem; overflow-y: auto; border: 1px solid var(--line); border-radius: .3rem; padding: .25rem .5rem; }
.manager { display: grid; gap: 0 1.25rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); align-items: start; }
.plan { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem .8rem; margin: 0 0 .75rem; }
.plan dt { color: var(--quiet); } .plan dd { margin: 0; }
[hidden] { display: none !important; }
.scroll:has(> .evidence) { max-height: none; margin-bottom: 1rem; }
.evidence th { background: none; position: static; } .evidence .key { white-space: nowrap; }
.evidence td { min-width: 6rem; } .evidence td.long { min-width: 16rem; }
@media (max-width: 30rem) {
  .plan { grid-template-columns: minmax(0, 1fr); }
  .plan dd { margin-bottom: .4rem; }
  header, main, footer { padding-left: .75rem; padding-right: .75rem; }
  .part { padding: .75rem; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }
@media print {
  :root {
    --ground: #ffffff; --panel: #ffffff; --text: #000000; --quiet: #444444; --line: #bbbbbb; --accent: #000000;
    --good: #17693a; --warning: #8a4f00; --bad: #b0241c; --good-soft: #ffffff; --warning-soft: #ffffff; --bad-soft: #ffffff; --none: #eeeeee;
  }
  .manager-part, .skip, button { display: none !important; }
  .part { content-visibility: visible; break-inside: auto; }
  .tile, .figure, figure, tr { break-inside: avoid; }
  .columns { columns: auto; }
  details::details-content { content-visibility: visible; display: block; height: auto; opacity: 1; }
  summary { list-style: none; color: inherit; }
  table { font-size: .75rem; } th, td { padding-top: .05rem; padding-bottom: .05rem; } th { position: static; }
  .scroll, .choices { overflow: visible; max-height: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
