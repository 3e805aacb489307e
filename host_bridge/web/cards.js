// One card a part, with its state in words and what a technician wants to know about it.

import { byId, el, renderIfChanged, svg, visible } from "./dom.js";
import { icon } from "./icons.js";
import { colourKey, isLit, rhythmOf, stepsOf } from "./light.js";
import { ledLamp } from "./path.js";
import { timeOf } from "./state.js";
import { isLinkUp, isLive, statuses } from "./status.js";
import { clockText, codeText, currentLanguage, pick, reasonText, t } from "./text.js";

const STATISTICS_LIMIT = 40; // counters shown
const TEXT_LIMIT = 300; // characters of a text that the hub gave itself

function fact(label, value) {
  if (value === null || value === undefined || value === "") return null;
  return el("div", { class: "fact" }, el("dt", { text: label }), el("dd", {}, value));
}

const number = (value) => (value === null || value === undefined ? null : String(value));
const own = (text) => (text ? visible(String(text), TEXT_LIMIT) : null);

function card(name, status, facts, ...more) {
  const title = el("h3", {}, icon(name), el("span", { text: t(`device.${name}`) }));
  const state = status
    ? el("p", { class: `card-status ${status.kind}` }, icon(status.kind), el("span", { text: status.word }))
    : null;
  return el("article", { class: "card" }, title, state, el("dl", {}, facts), ...more);
}

/** What the steps look like, in the reader's words. */
export function rhythmText(steps) {
  const rhythm = rhythmOf(steps);
  const colour = t(colourKey(rhythm.colour));
  return t(`indicator.${rhythm.kind}`, { colour, n: rhythm.count, other: rhythm.other ? t(colourKey(rhythm.other)) : "" });
}

/** One turn of the pattern as a strip: time runs to the right, a block is light, a line is dark. */
function strip(steps) {
  const period = steps.reduce((sum, step) => sum + step.ms, 0);
  let at = 0;
  const blocks = steps.map((step) => {
    const x = (at / period) * 200;
    const width = (step.ms / period) * 200;
    at += step.ms;
    const lit = isLit(step.colour);
    const block = svg("rect", { x, y: lit ? 2 : 10, width, height: lit ? 18 : 2, class: lit ? "strip-lit" : "strip-dark" });
    if (lit) block.style.fill = step.colour;
    return block;
  });
  return svg("svg", { class: "strip", viewBox: "0 0 200 22", preserveAspectRatio: "none", "aria-hidden": "true" }, blocks);
}

function statisticsDetails(statistics) {
  const entries = Object.entries(statistics ?? {}).slice(0, STATISTICS_LIMIT);
  if (entries.length === 0) return null;
  return el(
    "details",
    {},
    el("summary", { text: t("link.statistics") }),
    el("dl", { class: "statistics" }, entries.map(([name, value]) => fact(name.replaceAll("_", " "), number(value)))),
  );
}

/** How one of two paths to the hub fares, and where it is. */
function pathText(path) {
  const word = path.status === "down" && path.reason ? reasonText(path.reason) : t(`link.path.${path.status}`);
  return path.port ? `${word} · ${path.port}` : word;
}

export class Cards {
  constructor() {
    this.node = byId("cards");
    this.lamp = ledLamp();
    this.slots = {};
    for (const name of ["link", "hub", "indicator", "scanner", "printer", "drawer"]) {
      this.slots[name] = el("div", { class: `slot slot-${name}` });
      this.node.append(this.slots[name]);
    }
  }

  paint(colour) {
    this.lamp.paint(colour);
  }

  show(model) {
    const status = statuses(model);
    const state = model.state;
    this.node.classList.toggle("stale", !isLive(model));
    const put = (name, inputs, build) =>
      renderIfChanged(this.slots[name], [inputs, status[name] ?? null, currentLanguage()], build);
    put("link", [state?.link ?? null, isLive(model)], () => this.#link(state?.link, status.link, isLive(model)));
    put("hub", state?.hub ?? null, () => this.#hub(state?.hub, status.hub));
    put("indicator", [state?.indicator ?? null, isLinkUp(model)], () => this.#indicator(state?.indicator));
    put("scanner", state?.devices.scanner ?? null, () => this.#scanner(state?.devices.scanner, status.scanner));
    put("printer", state?.devices.printer ?? null, () => this.#printer(state?.devices.printer, status.printer));
    put("drawer", model.kick, () => this.#drawer(model.kick, status.drawer));
  }

  #link(link, status, live) {
    if (!link) return card("link", status, []);
    const why = live && link.status === "down" && link.reason ? reasonText(link.reason) : null;
    const open = this.slots.link.querySelector("details")?.open;
    const details = statisticsDetails(link.statistics);
    if (details && open) details.open = true;
    return card(
      "link",
      status,
      [
        fact(t("link.reason"), why),
        fact(t("link.since"), clockText(timeOf(link.since))),
        fact(t("link.port"), own(link.port)),
        fact(t("link.transport"), link.status === "up" ? own(link.transport) : null),
        fact(t("link.round_trip"), link.round_trip_ms == null ? null : t("link.milliseconds", { n: link.round_trip_ms.toFixed(1) })),
        fact(t("link.session"), number(link.session)),
        ...(link.paths ?? []).map((path) => fact(t(`link.${path.name}`), pathText(path))),
      ],
      details,
    );
  }

  #hub(hub, status) {
    if (!hub) return card("hub", status, []);
    return card("hub", status, [
      fact(t("hub.name"), own(hub.name)),
      fact(t("hub.board"), own(hub.board)),
      fact(t("hub.firmware"), own(hub.firmware)),
      fact(t("hub.reset"), own(hub.reset_cause)),
      fact(t("hub.boots"), number(hub.boots)),
      fact(t("hub.crumb"), hub.crash ? own(`${pick(hub.crash)} [${hub.crumb}]`) : null),
      ...(hub.problems ?? []).map((problem) => fact(t("hub.problem"), own(problem))),
    ]);
  }

  #indicator(indicator) {
    if (!indicator) return card("indicator", null, [], this.lamp.node);
    const steps = stepsOf(indicator);
    return card(
      "indicator",
      null,
      [],
      el(
        "div",
        { class: "lamp-row" },
        this.lamp.node,
        el("div", {}, el("p", { class: "meaning", text: pick(indicator.meaning) }), steps.length ? el("p", { class: "rhythm", text: rhythmText(steps) }) : null),
      ),
      steps.length ? strip(steps) : null,
      indicator.known ? null : el("p", { class: "hint", text: t("indicator.unsure") }),
    );
  }

  #scanner(scanner, status) {
    return card("scanner", status, scanner && [
      fact(t("scanner.scans"), number(scanner.scans)),
      fact(t("scanner.waiting"), number(scanner.waiting)),
      fact(t("scanner.expire"), t("scanner.seconds", { n: scanner.expire_ms / 1000 })),
    ]);
  }

  #printer(printer, status) {
    if (!printer) return card("printer", status, []);
    const known = status.kind !== "unknown";
    return card("printer", status, [
      fact(t("printer.paper"), codeText("printer.paper", known ? printer.paper : "unknown")),
      known ? fact(t("printer.cover"), t(printer.cover_open ? "printer.cover.open" : "printer.cover.closed")) : null,
      known ? fact(t("printer.cutter"), t(printer.cutter_error ? "printer.cutter.jammed" : "printer.cutter.ok")) : null,
      fact(t("printer.queue"), number(printer.queued_jobs)),
      known ? fact(t("printer.asb"), own(printer.asb)) : null,
    ]);
  }

  #drawer(kick, status) {
    if (!kick) return card("drawer", status, []);
    const why = kick.reason ? ` · ${reasonText(kick.reason)}` : "";
    return card("drawer", status, [
      fact(t("drawer.last"), `${clockText(timeOf(kick.updated_at))} · ${codeText("kick", kick.state)}${why}`),
    ]);
  }
}
