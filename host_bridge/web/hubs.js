// Which of several hubs this page is about, where its resources are, and the overview from which one is chosen.

import { Problem, get, listOf } from "./api.js";
import { byId, el, renderIfChanged } from "./dom.js";
import { icon } from "./icons.js";
import { currentLanguage, pick, t } from "./text.js";

export const LOOK_MS = 1_000; // the overview asks so often: a fault shows within two seconds
const LOOK_DEADLINE_MS = 4_000;
export const HUBS_SHOWN = 32; // a bridge serves no more
const SHORT = "api/v1/";

const KINDS = { ready: "ok", warning: "warning", fault: "error" };
const kindOf = (hub) => KINDS[hub.status] ?? "unknown";

/** The name in the page's address (?hub=till-1), or null. */
export const hubInAddress = (search = window.location.search) => new URLSearchParams(search).get("hub");

let named = null;

/** From now on `at` leads to this hub; null: to the only one. */
export function choose(name) {
  named = name;
}

/** The address of a resource of the chosen hub: "state", "print", "virtual/scan". */
export function at(resource) {
  if (named !== null) return `${SHORT}hubs/${encodeURIComponent(named)}/${resource}`;
  return resource.startsWith("virtual/") ? resource : `${SHORT}${resource}`;
}

/** The hubs that the bridge serves; null if it can't be asked now, or is one that knows only of one. */
export async function askHubs() {
  try {
    return listOf(await get(`${SHORT}hubs`, { deadlineMs: LOOK_DEADLINE_MS }), "hubs").slice(0, HUBS_SHOWN);
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}

/** The worst first; of equals as in the configuration. */
export function inOrder(hubs) {
  const rank = { fault: 0, warning: 1 };
  return [...hubs].sort((a, b) => (rank[a.status] ?? 2) - (rank[b.status] ?? 2));
}

function card(hub) {
  const kind = kindOf(hub);
  const fault = hub.worst_fault;
  return el(
    "li",
    {},
    el(
      "a",
      { class: `hub-card ${kind}`, href: `?hub=${encodeURIComponent(hub.name)}` },
      el("div", { class: "fault-icon" }, icon(kind)),
      el(
        "div",
        { class: "fault-words" },
        el("h3", { text: hub.name }),
        el("p", { class: "hub-word", text: t(`hubs.${kind}`) }),
        fault ? el("p", { class: "hub-fault", text: pick(fault.title) }) : null,
        fault ? el("p", { class: "remedy", text: pick(fault.remedy) }) : null,
        el("p", { class: "hub-id", text: hub.id ? t("hubs.id", { id: hub.id }) : t("hubs.never_met") }),
      ),
    ),
  );
}

/** All hubs at a glance, asked for as long as the page is open. `told(live)` hears whether the bridge answers. */
export class Overview {
  constructor({ told }) {
    this.told = told;
    this.hubs = [];
    this.unknown = null; // a name in the address that no hub has
    this.live = null;
  }

  start(hubs, unknown) {
    this.unknown = unknown;
    this.#take(hubs);
    setTimeout(() => this.#look(), LOOK_MS);
  }

  show() {
    const key = [this.hubs, this.unknown, this.live, currentLanguage()];
    renderIfChanged(byId("overview"), key, () => this.#content());
  }

  #content() {
    const broken = this.hubs.filter((hub) => hub.status === "fault").length;
    const words = broken === 0 ? t("hubs.all_fine") : t("hubs.some_broken", { n: broken, all: this.hubs.length });
    return [
      el("h2", { text: t("hubs.heading") }),
      this.unknown === null ? null : el("p", { class: "note", text: t("hubs.unknown", { name: this.unknown.slice(0, 40) }) }),
      el("p", { class: "caption", text: this.live ? words : t("situation.lost_remedy") }),
      el("ul", { class: `hub-cards ${this.live ? "" : "stale"}` }, inOrder(this.hubs).map(card)),
    ].filter((part) => part !== null);
  }

  #take(hubs) {
    this.live = hubs !== null;
    this.hubs = hubs ?? this.hubs;
    this.told(this.live);
  }

  async #look() {
    if (!document.hidden) this.#take(await askHubs());
    setTimeout(() => this.#look(), LOOK_MS);
  }
}
