// The top of the page: what is wrong and what to do now; or that all is well.

import { byId, el, renderIfChanged } from "./dom.js";
import { icon } from "./icons.js";
import { LIMITS, timeOf } from "./state.js";
import { isLive } from "./status.js";
import { agoText, clockText, currentLanguage, pick, t } from "./text.js";

const UNSURE_SHOWN_MS = 15 * 60_000; // an unconfirmed receipt stays at the top for so long

const SEVERITY_KINDS = { error: "error", warning: "warning", notice: "notice" };
const kindOf = (fault) => SEVERITY_KINDS[fault.severity] ?? "error";

/** A time that `tick` keeps up to date: "since 14:03 (5 s ago)". */
function since(ms) {
  return el("span", { class: "since", "data-since": ms ?? "" });
}

/** How the fault shows on the hub. While the link is down the hub can't know why, and waits for the till; a backup path that fails is a warning. */
function lightText(fault) {
  if (fault.device === "link" && fault.severity === "error") return t("situation.light_waits");
  return fault.blinks ? t("situation.blinks", { n: fault.blinks }) : t("situation.light_unshown");
}

function facts(fault) {
  return el(
    "p",
    { class: "fault-facts" },
    since(timeOf(fault.since)),
    el("span", { text: t("situation.code", { code: fault.code }) }),
    el("span", { text: lightText(fault) }),
  );
}

function bigFault(fault) {
  const kind = kindOf(fault);
  return el(
    "article",
    { class: `fault fault-big ${kind}` },
    el("div", { class: "fault-icon" }, icon(kind)),
    el(
      "div",
      { class: "fault-words" },
      el("p", { class: "severity", text: t(`severity.${kind}`) }),
      el("h2", { text: pick(fault.title) }),
      el("h3", { text: t("situation.do") }),
      el("p", { class: "remedy", text: pick(fault.remedy) }),
      el("p", { class: "cause" }, el("b", { text: `${t("situation.cause")}: ` }), pick(fault.cause)),
      facts(fault),
    ),
  );
}

function smallFault(fault) {
  const kind = kindOf(fault);
  return el(
    "li",
    { class: `fault fault-small ${kind}` },
    el("div", { class: "fault-icon" }, icon(kind)),
    el(
      "div",
      { class: "fault-words" },
      el("p", {}, el("span", { class: "severity", text: t(`severity.${kind}`) }), " ", el("b", { text: pick(fault.title) })),
      el("p", { text: pick(fault.remedy) }),
      facts(fault),
    ),
  );
}

function faultList(faults) {
  const [first, ...others] = faults.slice(0, LIMITS.faults);
  const nodes = [bigFault(first)];
  if (others.length > 0) nodes.push(el("ul", { class: "also", "aria-label": t("situation.more") }, others.map(smallFault)));
  return nodes;
}

function plain(kind, title, detail) {
  return el(
    "div",
    { class: `calm ${kind}` },
    el("div", { class: "fault-icon" }, icon(kind)),
    el("div", {}, el("h2", { text: title }), detail ? el("p", { text: detail }) : null),
  );
}

function lost(model, retry) {
  const remedy = model.lostReason && model.lostReason !== "stopped" ? `situation.${model.lostReason}` : "situation.lost_remedy";
  return el(
    "article",
    { class: "fault fault-big error" },
    el("div", { class: "fault-icon" }, icon("error")),
    el(
      "div",
      { class: "fault-words" },
      el("h2", { text: t("situation.lost") }),
      el("h3", { text: t("situation.do") }),
      el("p", { class: "remedy", text: t(remedy) }),
      el("p", { class: "cause" }, el("b", { text: `${t("situation.cause")}: ` }), t("situation.lost_cause")),
      el(
        "p",
        { class: "fault-facts" },
        since(model.lostAt),
        el("span", { "data-retry": model.retryAt ?? "" }),
        el("button", { type: "button", onclick: retry, text: t("situation.retry") }),
      ),
    ),
  );
}

/** The receipts of the last while of which nobody knows whether they came out. */
export function unsureJobs(model, now) {
  const age = (job) => now - (timeOf(job.updated_at) ?? 0);
  return (model.jobs ?? []).filter((job) => job.state === "unconfirmed" && age(job) < UNSURE_SHOWN_MS);
}

function unsure(jobs) {
  const which = jobs.map((job) => `${clockText(timeOf(job.created_at))} · ${String(job.job_id).slice(0, 6)}`).join(", ");
  return el(
    "div",
    { class: "calm warning" },
    el("div", { class: "fault-icon" }, icon("warning")),
    el(
      "div",
      {},
      el("h2", { text: jobs.length === 1 ? t("situation.unsure") : t("situation.unsure_many", { n: jobs.length }) }),
      el("p", {}, `${t("situation.unsure_remedy")} `, el("span", { class: "since", text: `(${which})` }), " ", el("a", { href: "#jobs", text: t("situation.unsure_show") })),
    ),
  );
}

/** The whole situation in one line, for the bar that stays in sight. */
export function briefOf(model) {
  if (!isLive(model) && model.lostAt !== null) return { kind: "error", word: t("situation.lost") };
  if (model.state === null) return { kind: "busy", word: t("connection.connecting") };
  const [first, ...others] = model.state.faults;
  if (!first) return { kind: "ok", word: t("situation.fine") };
  return { kind: kindOf(first), word: pick(first.title) + (others.length > 0 ? ` (+${others.length})` : "") };
}

export class Situation {
  constructor({ retry }) {
    this.node = byId("situation");
    this.unsure = byId("unsure");
    this.announcer = byId("announce");
    this.retry = retry;
    this.announced = null;
  }

  show(model) {
    this.model = model;
    const language = currentLanguage();
    const down = !isLive(model) && model.lostAt !== null;
    if (down) {
      renderIfChanged(this.node, ["lost", model.lostReason, language], () => lost(model, this.retry));
      const counter = this.node.querySelector("[data-retry]");
      counter.dataset.retry = model.phase === "lost" ? model.retryAt : "";
    } else if (model.state === null) {
      renderIfChanged(this.node, ["loading", language], () => plain("busy", t("situation.loading")));
    } else if (model.state.faults.length === 0) {
      renderIfChanged(this.node, ["fine", language], () => plain("ok", t("situation.fine"), t("situation.fine_detail")));
    } else {
      renderIfChanged(this.node, ["faults", model.state.faults, language], () => faultList(model.state.faults));
    }
    this.#announce(model, down);
    this.tick();
  }

  /** Bring the times up to date; they are outside the live region, so nobody hears them each second. */
  tick(now = Date.now()) {
    const jobs = this.model ? unsureJobs(this.model, now) : [];
    this.unsure.hidden = jobs.length === 0;
    renderIfChanged(this.unsure, [jobs.map((job) => job.job_id), currentLanguage()], () => (jobs.length > 0 ? unsure(jobs) : []));
    for (const node of this.node.querySelectorAll("[data-since]")) {
      const ms = node.dataset.since === "" ? null : Number(node.dataset.since);
      node.textContent = ms === null ? "" : t("situation.since", { time: clockText(ms, now), ago: agoText(ms, now) });
    }
    for (const node of this.node.querySelectorAll("[data-retry]")) {
      const left = node.dataset.retry === "" ? null : Math.ceil((Number(node.dataset.retry) - now) / 1000);
      node.textContent = left === null ? t("situation.retrying") : t("situation.retry_in", { n: Math.max(0, left) });
    }
  }

  #announce(model, down) {
    if (!down && model.state === null) return;
    const faults = down ? [] : model.state.faults;
    const key = down ? "lost" : faults.map((fault) => fault.code).join(" ");
    if (key === this.announced) return;
    const first = this.announced === null;
    this.announced = key;
    if (down) this.announcer.textContent = `${t("situation.lost")}. ${t("situation.lost_remedy")}`;
    else if (faults.length > 0) {
      this.announcer.textContent = faults.map((fault) => `${pick(fault.title)}. ${pick(fault.remedy)}`).join(" ");
    } else this.announcer.textContent = first ? "" : t("situation.cleared");
  }
}
