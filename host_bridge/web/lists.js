// The live scans and the jobs with their receipts.

import { post } from "./api.js";
import { byId, el, renderIfChanged, visible } from "./dom.js";
import { at } from "./hubs.js";
import { icon } from "./icons.js";
import { timeOf } from "./state.js";
import { isLive } from "./status.js";
import { clockText, codeText, currentLanguage, problemText, reasonText, sizeText, symbologyText, t } from "./text.js";

const DATA_CHARACTERS = 90; // of a scan before "show all"
const SCAN_ICONS = { waiting: "clock", delivered: "ok", expired: "cancelled" };
const JOB_ICONS = { queued: "clock", sending: "busy", printed: "ok", unconfirmed: "warning", failed: "error", cancelled: "cancelled" };
const PICTURE_STATES = ["printed", "unconfirmed", "failed", "cancelled"]; // asked for again once it is final

function chip(kind, iconName, text) {
  return el("span", { class: `chip chip-${kind}` }, icon(iconName), el("span", { text }));
}

function scanData(scan) {
  if (scan.data === "") return el("span", { class: "blank", text: t("scans.blank") });
  const shown = el("bdi", { class: "data", dir: "ltr" }, visible(scan.data, DATA_CHARACTERS));
  if (scan.data.length <= DATA_CHARACTERS) return shown;
  const more = el("button", {
    type: "button",
    class: "small",
    text: t("scans.whole", { n: scan.length }),
    onclick: () => {
      shown.replaceChildren(...visible(scan.data, scan.data.length));
      more.remove();
    },
  });
  return [shown, el("span", { text: "… " }), more];
}

/** When a scan that still waits expires, in ms since the epoch; null if it doesn't wait. */
function expiryOf(scan, expireMs) {
  return scan.state === "waiting" && scan.readAt !== null && expireMs > 0 ? scan.readAt + expireMs : null;
}

function scanRow(scan, expiresAt) {
  const flags = [];
  if (scan.repeat) flags.push(chip("notice", "repeat", t("scans.repeat")));
  if (scan.gs1 && !scan.gs1.ok) flags.push(chip("warning", "warning", t("scans.gs1_bad")));
  if (scan.checkDigitOk === false) flags.push(chip("warning", "warning", t("scans.check_bad")));
  if (scan.checkDigitOk === true) flags.push(chip("plain", "ok", t("scans.check_ok")));
  const known = Object.hasOwn(SCAN_ICONS, scan.state);
  const elements = (scan.gs1?.elements ?? []).map((one) =>
    el("span", { class: "gs1", title: one.title }, `(${one.ai}) `, visible(String(one.value), DATA_CHARACTERS)));
  return el(
    "li",
    { class: "scan" },
    el("div", { class: "scan-data" }, scanData(scan)),
    chip(known ? scan.state : "plain", known ? SCAN_ICONS[scan.state] : "unknown", codeText("scan", scan.state)),
    el(
      "div",
      { class: "scan-facts" },
      el("span", { text: clockText(scan.readAt) }),
      el("span", { text: symbologyText(scan.symbology) }),
      elements,
      expiresAt === null ? null : el("span", { "data-expires": expiresAt }),
      flags,
    ),
  );
}

function placeholder(text) {
  return el("p", { class: "empty", text });
}

export class ScanList {
  constructor() {
    this.node = byId("scan-list");
    this.rows = new Map(); // sequence -> [key, row], so that an opened row stays open
    this.list = el("ol", { class: "scans" });
  }

  show(model) {
    this.node.classList.toggle("stale", !isLive(model));
    const language = currentLanguage();
    if (model.scans === null || model.scans.length === 0) {
      const key = model.scans === null ? "scans.loading" : "scans.empty";
      renderIfChanged(this.node, [key, language], () => placeholder(t(key)));
      return;
    }
    renderIfChanged(this.node, "list", () => this.list);
    this.expireMs = model.state?.devices.scanner.expire_ms ?? 0;
    const rows = new Map();
    for (const scan of model.scans) {
      const expiresAt = expiryOf(scan, this.expireMs);
      const key = JSON.stringify([scan, expiresAt, language]);
      const [oldKey, oldRow] = this.rows.get(scan.sequence) ?? [];
      rows.set(scan.sequence, [key, oldKey === key ? oldRow : scanRow(scan, expiresAt)]);
    }
    this.rows = rows;
    arrange(this.list, [...rows.values()].map(([, row]) => row));
    this.tick();
  }

  /** Bring up to date how long the waiting scans have. A clock that differs from the bridge's says nothing. */
  tick(now = Date.now()) {
    for (const node of this.list.querySelectorAll("[data-expires]")) {
      const left = Number(node.dataset.expires) - now;
      node.textContent = left > 0 && left <= this.expireMs ? t("scans.expires_in", { n: Math.ceil(left / 1000) }) : "";
    }
  }
}

/** Make `nodes` the children of `parent` in this order, moving only what is out of place (so that focus stays). */
function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
}

/** A picture of a receipt that enlarges on a click; if there is none, a word instead. */
export function thumbnail({ source, title, label, viewer }) {
  const picture = el("img", { src: source, alt: "", loading: "lazy", decoding: "async" });
  const button = el("button", { type: "button", class: "thumbnail", "aria-label": label, onclick: () => viewer.open(source, title) }, picture);
  picture.addEventListener("error", () => {
    button.replaceChildren(icon("picture"), el("span", { text: t("jobs.no_picture") }));
    button.disabled = true;
  });
  return button;
}

export class JobList {
  constructor({ viewer, changed }) {
    this.node = byId("job-list");
    this.note = byId("jobs-note");
    this.viewer = viewer;
    this.changed = changed;
    this.rows = new Map(); // job_id -> [key, row, picture]
    this.list = el("ol", { class: "jobs" });
  }

  show(model) {
    this.node.classList.toggle("stale", !isLive(model));
    const language = currentLanguage();
    if (model.jobs === null || model.jobs.length === 0) {
      const key = model.jobs === null ? "jobs.loading" : "jobs.empty";
      renderIfChanged(this.node, [key, language], () => placeholder(t(key)));
      return;
    }
    renderIfChanged(this.node, "list", () => this.list);
    const rows = new Map();
    for (const job of model.jobs) {
      const key = JSON.stringify([job, language]);
      const old = this.rows.get(job.job_id);
      rows.set(job.job_id, old && old[0] === key ? old : this.#row(key, job, old));
    }
    this.rows = rows;
    arrange(this.list, [...rows.values()].map(([, row]) => row));
  }

  #row(key, job, old) {
    const id = String(job.job_id);
    const short = id.slice(0, 6);
    const pictureKey = JSON.stringify([PICTURE_STATES.includes(job.state), currentLanguage()]);
    const picture =
      old && old[2].key === pictureKey
        ? old[2]
        : {
            key: pictureKey,
            node: thumbnail({
              source: at(`jobs/${encodeURIComponent(id)}/receipt.png`),
              title: t("jobs.picture", { id: short }),
              label: t("jobs.enlarge", { id: short }),
              viewer: this.viewer,
            }),
          };
    const known = Object.hasOwn(JOB_ICONS, job.state);
    const row = el(
      "li",
      { class: "job" },
      picture.node,
      el(
        "div",
        { class: "job-words" },
        el("p", {}, chip(known ? job.state : "plain", known ? JOB_ICONS[job.state] : "unknown", codeText("job", job.state))),
        known ? el("p", { class: "job-means", text: t(`job.${job.state}_means`) }) : null,
        job.reason ? el("p", { class: "job-reason", text: reasonText(job.reason) }) : null,
        job.warning ? el("p", { class: "job-reason" }, visible(String(job.warning), 300)) : null,
        job.state === "sending" ? el("progress", { max: Math.max(1, job.size_bytes), value: Math.min(job.sent_bytes ?? 0, job.size_bytes), "aria-label": t("job.sending") }) : null,
        el("p", { class: "job-facts" }, el("span", { text: clockText(timeOf(job.created_at)) }), el("span", { text: sizeText(job.size_bytes) }), el("span", { text: t("jobs.from", { source: codeText("source", job.source) }) }), el("code", { text: short })),
      ),
      job.state === "queued" ? el("button", { type: "button", class: "small", text: t("jobs.cancel"), onclick: () => this.#cancel(id, short) }) : null,
    );
    return [key, row, picture];
  }

  async #cancel(id, short) {
    try {
      await post(at(`jobs/${encodeURIComponent(id)}/cancel`));
      this.note.textContent = t("jobs.cancelled", { id: short });
    } catch (error) {
      this.note.textContent = problemText(error);
    }
    this.changed();
  }
}

/** The enlarged receipt, in a modal dialog. */
export class Viewer {
  constructor() {
    this.dialog = byId("viewer");
    this.title = byId("viewer-title");
    this.picture = byId("viewer-picture");
    byId("viewer-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  open(source, title) {
    this.title.textContent = title;
    this.picture.src = source;
    this.picture.alt = title;
    this.dialog.showModal();
  }
}
