"""Style and script of the API's page: part of the page itself, so that it can be saved and read anywhere."""

from __future__ import annotations

STYLE = """
:root {
  --paper: #f4f2ec;
  --card: #fffefb;
  --ink: #1e2522;
  --soft: #5a645e;
  --line: #dad6ca;
  --accent: #0d6655;
  --code: #f0ede5;
  --get: #0b6b50;
  --post: #9a4a00;
  --ws: #5b3fa0;
  --bad: #a32626;
  --mono: ui-monospace,"Cascadia Mono",Menlo,Consolas,monospace;
}
@media(prefers-color-scheme:dark) {
  :root {
    --paper: #121617;
    --card: #1b2123;
    --ink: #e9ece8;
    --soft: #a2ada7;
    --line: #333c3e;
    --accent: #58c9ae;
    --code: #252d2f;
    --get: #5fd0a8;
    --post: #f0a860;
    --ws: #b9a3f5;
    --bad: #f08a8a;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 4.5rem; }
body {
  margin: 0;
  background: var(--paper);
  color: var(--ink);
  font: 16px/1.55 system-ui,"Segoe UI","Noto Sans","Noto Sans SC","PingFang SC","Microsoft YaHei",sans-serif;
}
html[data-language=en] [lang=zh]:not(button),
html[data-language=zh] [lang=en]:not(button):not(html) { display: none; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
code,
pre,
var,
.badge,
.path { font-family: var(--mono); font-size: .875em; font-style: normal; }
code { background: var(--code); border-radius: 4px; padding: .1em .3em; }
pre {
  background: var(--code);
  border-radius: 8px;
  padding: .75rem 1rem;
  overflow: auto;
  margin: .4rem 0 .9rem;
  line-height: 1.45;
  max-height: 26rem;
}
.try pre { white-space: pre-wrap; overflow-wrap: anywhere; }
pre code { background: none; padding: 0; font-size: .82rem; }
header {
  position: sticky;
  top: 0;
  z-index: 1;
  display: flex;
  align-items: center;
  gap: 1rem;
  padding: .6rem 1.5rem;
  background: var(--card);
  border-bottom: 1px solid var(--line);
}
header h1 { font-size: 1.15rem; margin: 0; }
header h1 a { color: inherit; }
.light,
.version { color: var(--soft); font-weight: 400; }
.version { font-family: var(--mono); font-size: .8rem; }
.gap { flex: 1; }
.languages { display: inline-flex; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.languages button {
  font: inherit;
  font-size: .85rem;
  border: 0;
  background: none;
  color: var(--soft);
  padding: .25rem .7rem;
  cursor: pointer;
}
html[data-language=zh] .languages [data-set=zh],
html[data-language=en] .languages [data-set=en] { background: var(--accent); color: var(--card); }
.columns { display: grid; grid-template-columns: 18rem minmax(0,1fr); max-width: 82rem; margin: 0 auto; }
nav {
  position: sticky;
  top: 3.4rem;
  align-self: start;
  max-height: calc(100vh - 3.4rem);
  overflow: auto;
  padding: 1rem .75rem 2rem 1.5rem;
  font-size: .84rem;
}
nav h2 {
  font-size: .72rem;
  letter-spacing: .03em;
  color: var(--soft);
  margin: 1.1rem 0 .3rem;
  font-weight: 600;
}
nav a {
  display: flex;
  gap: .5rem;
  align-items: baseline;
  color: var(--ink);
  padding: .18rem .4rem;
  border-radius: 6px;
  font-family: var(--mono);
  font-size: .78rem;
}
nav a:hover { background: var(--code); text-decoration: none; }
main { padding: 1.4rem 1.5rem 6rem; min-width: 0; }
main h2 { font-size: 1.2rem; margin: 2.4rem 0 .7rem; }
h4 { margin: 1.1rem 0 .35rem; font-size: .8rem; color: var(--soft); font-weight: 600; }
.introduction>p { font-size: 1.05rem; max-width: 62ch; margin-top: .4rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit,minmax(15rem,1fr)); gap: .9rem; }
.facts>div {
  background: var(--card);
  border: 1px solid var(--line);
  border-radius: 12px;
  padding: .9rem 1.1rem;
}
.facts h3 { margin: 0 0 .3rem; font-size: 1rem; color: var(--accent); }
.facts p { margin: 0; font-size: .9rem; color: var(--soft); }
details.operation,
details.schema {
  background: var(--card);
  border: 1px solid var(--line);
  border-radius: 10px;
  margin: .5rem 0;
}
details.operation>summary,
details.schema>summary {
  display: flex;
  flex-wrap: wrap;
  gap: .2rem .8rem;
  align-items: baseline;
  padding: .65rem 1rem;
  cursor: pointer;
  list-style: none;
}
summary::-webkit-details-marker { display: none; }
details.operation>summary::after {
  content: "+";
  margin-left: auto;
  color: var(--soft);
  font-family: var(--mono);
}
details.operation[open]>summary::after { content: "\\2212"; }
details[open]>summary { border-bottom: 1px solid var(--line); }
summary:focus-visible,
a:focus-visible,
button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
code.path { background: none; padding: 0; font-size: .95rem; font-weight: 600; }
var { color: var(--soft); font-weight: 400; }
.summary { color: var(--soft); font-size: .92rem; }
.body { padding: .2rem 1rem 1rem; }
.body>p { max-width: 75ch; }
.badge {
  display: inline-block;
  min-width: 3.1rem;
  text-align: center;
  font-size: .7rem;
  font-weight: 700;
  border-radius: 5px;
  padding: .1rem .35rem;
  color: var(--card);
  background: var(--get);
  flex: none;
}
.badge.post { background: var(--post); }
.badge.ws { background: var(--ws); }
nav .badge { min-width: 2.6rem; font-size: .62rem; }
.status { font-family: var(--mono); font-weight: 700; font-size: .85rem; color: var(--get); }
.s4,
.s5 { color: var(--bad); }
.media { margin: .4rem 0 .2rem; }
table { border-collapse: collapse; font-size: .88rem; width: 100%; }
td { border-top: 1px solid var(--line); padding: .35rem .8rem .35rem 0; vertical-align: top; }
tr:first-child td { border-top: 0; }
td:first-child { white-space: nowrap; }
.codes { margin-top: .8rem; }
.codes td:first-child { width: 3.5rem; }
a.code {
  font-family: var(--mono);
  font-size: .78rem;
  background: var(--code);
  border-radius: 4px;
  padding: .1rem .4rem;
  margin-right: .2rem;
  display: inline-block;
}
table.list {
  background: var(--card);
  border: 1px solid var(--line);
  border-radius: 10px;
  border-collapse: separate;
  border-spacing: 0;
  overflow: hidden;
}
table.list td { padding: .4rem .9rem; }
tr:target { background: var(--code); }
details.message { margin: .2rem 0; }
details.message>summary { cursor: pointer; border: 0; }
@media(max-width:60rem) {
  .columns { display: block; }
  nav { display: none; }
  header { padding: .6rem 1rem; gap: .7rem; }
  main { padding: 1rem; }
}
@media print {
  nav,
  .languages { display: none; }
  .columns { display: block; }
  pre { max-height: none; }
}
"""

SCRIPT = """
"use strict";
const root=document.documentElement;
function speak(language){root.dataset.language=language;root.lang=language;}
let kept=null;
try{kept=localStorage.getItem("counterhub.language");}catch{}
speak(kept==="zh"||kept==="en"?kept:(navigator.language||"en").toLowerCase().startsWith("zh")?"zh":"en");
for(const button of document.querySelectorAll("[data-set]"))button.addEventListener("click",()=>{
speak(button.dataset.set);try{localStorage.setItem("counterhub.language",button.dataset.set);}catch{}});
function reveal(){const target=location.hash&&document.getElementById(decodeURIComponent(location.hash.slice(1)));
if(target&&target.tagName==="DETAILS"){target.open=true;target.scrollIntoView();}}
addEventListener("hashchange",reveal);reveal();
"""
