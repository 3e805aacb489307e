// The counter to play with, for a virtual hub: scan, print, open the drawer, break things, take the paper.

import { post, postJson } from "./api.js";
import { byId, el, renderIfChanged, visible } from "./dom.js";
import { at } from "./hubs.js";
import { icon } from "./icons.js";
import { thumbnail } from "./lists.js";
import { PRODUCTS, barcodePicture, productPicture } from "./products.js";
import { receiptBytes } from "./samples.js";
import { timeOf } from "./state.js";
import { Till } from "./till.js";
import { isLive, statuses } from "./status.js";
import { OFFERED_SYMBOLOGIES, clockText, codeText, currentLanguage, hasText, problemText, reasonText, symbologyText, t } from "./text.js";

const PICTURE_LIMIT_BYTES = 8_000_000; // the bridge takes 16 MiB; a larger picture is a mistake
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const SHOWN_CHARACTERS = 60;
const FAULT_ICONS = {
  cable: "link", backup_cable: "link", hub_power: "power", printer_power: "power", paper_end: "paper", paper_near_end: "paper",
  cover_open: "cover", cutter: "cut", drawer_stuck: "drawer", drawer_forced: "drawer", drawer_switch: "drawer",
  scanner_unplugged: "scanner",
  link_noise: "link", link_silent: "link", hub_hang: "hub",
};

export class Counter {
  /** `changed()` is called after an action, so that the page asks for the state soon. */
  constructor({ viewer, changed }) {
    this.node = byId("counter");
    this.note = byId("counter-note");
    this.shelf = byId("shelf");
    this.breaks = byId("break");
    this.tray = byId("tray");
    this.viewer = viewer;
    this.changed = changed;
    this.switches = new Map();
    this.papers = new Map();
    this.number = Math.floor(Date.now() / 1000); // of the receipts made here; goes into their barcode
    this.till = new Till({ pay: (items) => this.#pay(items), empty: () => this.#say(t("till.nothing")) });
    this.#listen();
  }

  show(model) {
    this.node.hidden = !model.state?.virtual;
    if (this.node.hidden) return;
    byId("counter-slow").hidden = !model.state.emulated;
    const language = currentLanguage();
    renderIfChanged(this.shelf, language, () => PRODUCTS.map((product) => this.#product(product)));
    this.#symbologies(language);
    this.#drawer(model);
    this.#showSwitches(model.virtualFaults, language);
    this.#showTray(model.receipts, language);
    this.till.show(language, isLive(model));
    this.node.classList.toggle("stale", !isLive(model));
  }

  #listen() {
    byId("scan-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const input = byId("scan-data");
      if (input.value === "") this.#say(t("shelf.nothing"));
      else this.#scan(input.value, byId("scan-symbology").value || null);
    });
    byId("print-en").addEventListener("click", () => this.#printSample("en"));
    byId("print-zh").addEventListener("click", () => this.#printSample("zh"));
    byId("print-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = byId("print-text").value;
      if (text.trim() === "") this.#say(t("print.nothing"));
      else this.#print(text, "text/plain; charset=utf-8");
    });
    byId("drawer-open").addEventListener("click", () => this.#openDrawer());
    byId("drawer-close").addEventListener("click", () => this.#do(async () => {
      await post(at("virtual/drawer/close"));
      return t("drawer.pushed");
    }));
    const file = byId("print-file");
    file.addEventListener("change", () => {
      if (file.files.length > 0) this.#printPicture(file.files[0]);
      file.value = "";
    });
    this.#listenForDrops();
  }

  #listenForDrops() {
    const drop = byId("drop");
    // A picture dropped beside the mark must not replace the page.
    for (const type of ["dragover", "drop"]) window.addEventListener(type, (event) => event.preventDefault());
    drop.addEventListener("dragover", () => drop.classList.add("over"));
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      drop.classList.remove("over");
      const [picture] = event.dataTransfer.files;
      if (picture) this.#printPicture(picture);
      else this.#say(t("print.not_png"));
    });
  }

  #say(...nodes) {
    this.note.replaceChildren(...nodes);
  }

  /** Run an action and say how it went. */
  async #do(action) {
    try {
      this.#say(await action());
    } catch (error) {
      this.#say(problemText(error));
    }
    this.changed();
  }

  #scan(data, symbology) {
    return this.#do(async () => {
      await postJson(at("virtual/scan"), { data, symbology });
      return el("span", {}, t("shelf.done", { data: "" }), el("bdi", { class: "data", dir: "ltr" }, visible(data, SHOWN_CHARACTERS)));
    });
  }

  #print(body, type) {
    return this.#do(async () => {
      const answer = await post(at("print"), body, type);
      const done = t("print.done", { id: String(answer?.job_id ?? "").slice(0, 6) });
      if (answer?.duplicate) return `${done} ${t("print.duplicate", { id: answer.duplicate.job_id.slice(0, 6), n: answer.duplicate.ago_s })}`;
      return answer?.warning ? `${done} ${answer.warning}` : done;
    });
  }

  #printSample(language) {
    const items = PRODUCTS.filter((product) => product.receipt).map((product, index) => ({ ...product, count: index === 0 ? 2 : 1 }));
    this.number += 1;
    return this.#print(receiptBytes(language, items, this.number), "application/octet-stream");
  }

  /** A sale: the receipt is journaled first, then the drawer opens, as tills do it. */
  #pay(items) {
    return this.#do(async () => {
      this.number += 1;
      const bytes = receiptBytes(currentLanguage(), items, this.number);
      const answer = await post(at("print"), bytes, "application/octet-stream");
      this.till.clear();
      const kick = await postJson(at("drawer/open"), {});
      return t("till.paid", { id: String(answer?.job_id ?? "").slice(0, 6), outcome: codeText("kick", kick?.state ?? "requested") });
    });
  }

  #printPicture(file) {
    return this.#do(async () => {
      if (file.size > PICTURE_LIMIT_BYTES) {
        return t("print.too_large", { n: (file.size / 1e6).toFixed(1), max: PICTURE_LIMIT_BYTES / 1e6 });
      }
      const head = new Uint8Array(await file.slice(0, PNG_SIGNATURE.length).arrayBuffer());
      if (head.length < PNG_SIGNATURE.length || PNG_SIGNATURE.some((byte, i) => head[i] !== byte)) return t("print.not_png");
      const answer = await post(at("print"), file, "image/png");
      return t("print.done", { id: String(answer?.job_id ?? "").slice(0, 6) });
    });
  }

  #openDrawer() {
    return this.#do(async () => {
      const kick = await postJson(at("drawer/open"), {});
      const why = kick?.reason ? ` (${reasonText(kick.reason)})` : "";
      return t("drawer.asked", { outcome: codeText("kick", kick?.state ?? "requested") + why });
    });
  }

  #product(product) {
    const name = t(`shelf.${product.name}`);
    const isEan = /^\d{13}$/.test(product.data);
    const hint = product.hint ? el("span", { class: "hint", text: t(`shelf.${product.name}_hint`) }) : null;
    return el(
      "button",
      {
        type: "button",
        class: "product-card",
        "aria-label": t("shelf.scan_it", { name, code: symbologyText(product.symbology) }),
        onclick: () => this.#scan(product.data, product.symbology),
      },
      productPicture(product.name),
      el("span", { class: "product-name", text: name }),
      isEan ? barcodePicture(product.data) : null,
      isEan ? el("span", { class: "digits", text: product.data }) : null,
      hint,
    );
  }

  #symbologies(language) {
    const select = byId("scan-symbology");
    const chosen = select.value;
    const changed = renderIfChanged(select, language, () => [
      el("option", { value: "", text: t("symbology.none") }),
      ...OFFERED_SYMBOLOGIES.map((value) => el("option", { value, text: symbologyText(value) })),
    ]);
    if (changed) select.value = chosen;
  }

  #drawer(model) {
    const { kind, word } = statuses(model).drawer;
    renderIfChanged(byId("drawer-word"), [kind, word, currentLanguage()], () => [
      icon(kind),
      el("span", { text: t("drawer.now", { word }) }),
    ]);
  }

  #showSwitches(flags, language) {
    if (flags === null) {
      this.switches.clear();
      renderIfChanged(this.breaks, ["loading", language], () => el("p", { class: "empty", text: t("break.loading") }));
      return;
    }
    const names = Object.keys(flags);
    const rebuilt = renderIfChanged(this.breaks, [names, language], () => names.map((name) => this.#switch(name)));
    if (rebuilt || this.shownFlags !== flags) {
      this.shownFlags = flags;
      for (const name of names) this.#setSwitch(name, flags[name]);
    }
  }

  #switch(name) {
    const word = el("span", { class: "switch-word" });
    const button = el(
      "button",
      { type: "button", role: "switch", class: "switch", onclick: () => this.#toggle(name) },
      el("span", { class: "switch-icon" }, icon(FAULT_ICONS[name] ?? "warning")),
      el("span", { class: "switch-name", text: codeText("break", name) }),
      word,
      el("span", { class: "switch-track", "aria-hidden": "true" }, el("span", { class: "switch-knob" })),
    );
    this.switches.set(name, { button, word });
    return button;
  }

  #word(name, active) {
    const key = `break.${name}.${active ? "on" : "off"}`;
    return hasText(key) ? t(key) : t(active ? "break.broken" : "break.normal");
  }

  #setSwitch(name, active) {
    const { button, word } = this.switches.get(name);
    button.setAttribute("aria-checked", String(active));
    word.replaceChildren(icon(active ? "error" : "ok"), el("span", { text: this.#word(name, active) }));
  }

  #toggle(name) {
    const active = this.switches.get(name).button.getAttribute("aria-checked") !== "true";
    return this.#do(async () => {
      await postJson(at("virtual/faults"), { fault: name, active });
      if (this.switches.has(name)) this.#setSwitch(name, active);
      const hint = `break.${name}.hint`;
      const done = t("break.set", { name: codeText("break", name), word: this.#word(name, active) });
      return active && hasText(hint) ? `${done} ${t(hint)}` : done;
    });
  }

  #showTray(receipts, language) {
    if (receipts === null || receipts.length === 0) {
      const key = receipts === null ? "tray.loading" : "tray.empty";
      this.papers.clear();
      renderIfChanged(this.tray, [key, language], () => el("p", { class: "empty", text: t(key) }));
      return;
    }
    const papers = new Map();
    for (const receipt of receipts) {
      const key = JSON.stringify([receipt, language]);
      const old = this.papers.get(receipt.n);
      papers.set(receipt.n, old?.key === key ? old : { key, node: this.#paper(receipt) });
    }
    this.papers = papers;
    renderIfChanged(this.tray, [...papers.values()].map(({ key }) => key), () => [...papers.values()].map(({ node }) => node));
  }

  #paper(receipt) {
    const title = t("tray.receipt", { n: receipt.n });
    return el(
      "figure",
      { class: "paper" },
      thumbnail({
        source: at(`virtual/receipts/${Number(receipt.n)}.png?${encodeURIComponent(receipt.printed_at ?? "")}`),
        title,
        label: t("tray.enlarge", { n: receipt.n }),
        viewer: this.viewer,
      }),
      el(
        "figcaption",
        {},
        el("b", { text: title }),
        el("span", { text: clockText(timeOf(receipt.printed_at)) }),
        el("span", { text: t(receipt.cut ? "tray.cut" : "tray.torn") }),
      ),
    );
  }
}
