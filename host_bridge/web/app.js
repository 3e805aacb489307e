// Puts the page together: connection -> model -> views. Every change goes through `deliver`.

import { bePatient, get, listOf } from "./api.js";
import { Cards } from "./cards.js";
import { Connection } from "./connection.js";
import { Counter } from "./counter.js";
import { byId, el, renderIfChanged } from "./dom.js";
import { Overview, askHubs, at, choose, hubInAddress } from "./hubs.js";
import { icon } from "./icons.js";
import { Light, colourOf, stepsOf } from "./light.js";
import { JobList, ScanList, Viewer } from "./lists.js";
import { Path, ledLamp } from "./path.js";
import { Situation, briefOf } from "./situation.js";
import { LIMITS, apply, initialModel, timeOf } from "./state.js";
import { isLive } from "./status.js";
import { chooseLanguage, currentLanguage, missingTexts, serveTexts, setLanguage, t, translateDocument } from "./text.js";

const TICK_MS = 1000;
const TEXTS_DEADLINE_MS = 4000;
const FRESH_MS = 5000; // a scan older than this comes from the journal, not from the scanner just now

let model = initialModel();
let drawingWaits = false;

const viewer = new Viewer();
const path = new Path(byId("drawing"));
const cards = new Cards();
const scans = new ScanList();
const jobs = new JobList({ viewer, changed: () => connection.refreshSoon() });
const counter = new Counter({ viewer, changed: () => connection.refreshSoon() });
const situation = new Situation({ retry: () => connection.retryNow() });
const briefLamp = ledLamp();
const light = new Light((colour) => {
  path.paint(colour);
  briefLamp.paint(colour);
  cards.paint(colour);
});
const connection = new Connection({ deliver, opened: load });
const overview = new Overview({ told: heardOfAll });
let atOverview = false;

function deliver(message) {
  model = apply(model, message);
  if (message.type === "scan" && Date.now() - (timeOf(message.read_at) ?? 0) < FRESH_MS) path.pulse("scanner", "up");
  if (message.type === "job" && message.job.state === "sending") path.pulse("printer", "down");
  if (message.type === "drawer" && message.kick && message.kick.state !== "failed") path.pulse("drawer", "down");
  if (message.type === "receipt") loadReceipts();
  if (["scan", "scan_settled", "job", "drawer", "link", "fault"].includes(message.type)) connection.refreshSoon();
  draw();
}

/** Draw once for all the messages that came in the meantime. A hidden page waits until it is looked at. */
function draw() {
  if (drawingWaits) return;
  drawingWaits = true;
  requestAnimationFrame(() => {
    drawingWaits = false;
    show();
  });
}

function show() {
  if (atOverview) {
    showFrame(model.phase === "live");
    overview.show();
    return;
  }
  const live = isLive(model);
  document.body.dataset.phase = live ? "live" : model.lostAt === null ? "connecting" : "lost";
  situation.show(model);
  path.show(model);
  counter.show(model);
  cards.show(model);
  scans.show(model);
  jobs.show(model);
  light.show(live ? stepsOf(model.state.indicator) : [], live && model.light ? colourOf(model.light.colour) : null);
  showFrame(live);
}

function showFrame(live) {
  const language = currentLanguage();
  const phase = live ? "live" : model.lostAt === null ? "connecting" : "lost";
  const kind = { live: "ok", connecting: "busy", lost: "error" }[phase];
  renderIfChanged(byId("connection"), [phase, language], () => [icon(kind), el("span", { text: t(`connection.${phase}`) })]);
  byId("connection").className = `chip chip-${kind}`;
  for (const name of ["en", "zh"]) byId(`language-${name}`).setAttribute("aria-pressed", String(name === language));
  if (atOverview) return;
  const brief = briefOf(model);
  byId("brief").className = brief.kind;
  renderIfChanged(byId("brief-word"), brief, () => [icon(brief.kind), ` ${brief.word}`]);
  const state = model.state;
  document.body.dataset.virtual = String(Boolean(state?.virtual));
  const hub = state?.emulated ? t("page.emulated") : t("page.virtual");
  const version = state ? t("page.version", { version: state.version }) + (state.virtual ? ` · ${hub}` : "") : "";
  bePatient(Boolean(state?.emulated));
  renderIfChanged(byId("version"), version, () => version);
}

/** What the WebSocket doesn't tell from the beginning. A part that fails is said in the console and tried next time. */
async function load() {
  const parts = [loadScans(), loadJobs()];
  if (model.state.virtual) parts.push(loadLight(), loadReceipts(), loadVirtualFaults());
  for (const result of await Promise.allSettled(parts)) {
    if (result.status === "rejected") console.warn("could not load a list:", result.reason.message);
  }
}

async function loadScans() {
  deliver({ type: "scans_loaded", scans: listOf(await get(at(`scans?newest=${LIMITS.scans}`)), "scans") });
}

async function loadJobs() {
  deliver({ type: "jobs_loaded", jobs: listOf(await get(at(`jobs?limit=${LIMITS.jobs}`)), "jobs") });
}

async function loadLight() {
  deliver({ type: "light_loaded", lights: listOf(await get(at("virtual/light")), "lights") });
}

async function loadReceipts() {
  deliver({ type: "receipts_loaded", receipts: listOf(await get(at("virtual/receipts")), "receipts") });
}

async function loadVirtualFaults() {
  const list = listOf(await get(at("virtual/faults")), "faults");
  deliver({ type: "virtual_faults_loaded", faults: Object.fromEntries(list.map(({ fault, active }) => [fault, active])) });
}

/** Without them codes show as they are, until the page is loaded again. */
async function loadTexts() {
  try {
    serveTexts(await get("api/v1/texts", { deadlineMs: TEXTS_DEADLINE_MS }));
  } catch (error) {
    console.warn("could not load the texts:", error.message);
  }
}

function speak(language) {
  setLanguage(language);
  translateDocument();
  show();
}

async function start() {
  const missing = missingTexts();
  if (missing.length > 0) console.error("texts are missing:", missing.join(", "));
  chooseLanguage();
  translateDocument();
  byId("brand-mark").append(icon("bridge"));
  byId("brief-lamp").append(briefLamp.node);
  for (const name of ["en", "zh"]) byId(`language-${name}`).addEventListener("click", () => speak(name));
  setInterval(() => {
    situation.tick();
    scans.tick();
  }, TICK_MS);
  show();
  const [hubs] = await Promise.all([askHubs(), loadTexts()]);
  open(hubs, hubInAddress());
}

/** One hub's page, or of several the overview. A bridge that does not answer yet is tried as one with one hub. */
function open(hubs, asked) {
  const several = hubs !== null && hubs.length > 1;
  const known = several && asked !== null && hubs.some((hub) => hub.name === asked);
  if (several && !known) {
    atOverview = true;
    document.body.dataset.view = "overview";
    byId("overview").hidden = false;
    overview.start(hubs, asked);
    return;
  }
  if (several || (hubs === null && asked !== null)) {
    choose(asked);
    byId("hub-name").textContent = asked;
    byId("all-hubs").hidden = false;
  }
  connection.start();
}

/** The overview has asked the bridge once more. */
function heardOfAll(live) {
  model = apply(model, live ? { type: "phase", phase: "live" } : { type: "phase", phase: "lost", retryAt: null, now: Date.now() });
  draw();
}

start();
