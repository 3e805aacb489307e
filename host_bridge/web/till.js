// The page as till software: it takes scans, acknowledges them and keeps a basket. Off until it is asked for.

import { byId, el, renderIfChanged, visible } from "./dom.js";
import { at } from "./hubs.js";
import { icon } from "./icons.js";
import { PRODUCTS } from "./products.js";
import { t } from "./text.js";

const BASKET_LIMIT = 40; // lines
const REMEMBERED_LIMIT = 200; // sequences, so that a scan that comes again is not sold twice
const SHOWN_CHARACTERS = 40;
const RETRY_MS = 2000;

const sumText = (cents) => (cents / 100).toFixed(2);

/** The basket with one more scan in it: the same product again raises its count. A full basket stays as it is. */
export function withItem(basket, data) {
  const known = basket.find((line) => line.data === data);
  if (known) return basket.map((line) => (line === known ? { ...line, count: line.count + 1 } : line));
  if (basket.length >= BASKET_LIMIT) return basket;
  const product = PRODUCTS.find((one) => one.data === data && one.receipt) ?? null;
  return [...basket, { data, product, count: 1 }];
}

export class Till {
  /** `pay(items)` sells what is in the basket; `empty()` says that there is nothing to sell. */
  constructor({ pay, empty }) {
    this.list = byId("basket");
    this.total = byId("basket-total");
    this.basket = [];
    this.seen = [];
    this.wanted = false;
    this.socket = null;
    this.word = el("span", { class: "switch-word" });
    this.name = el("span", { class: "switch-name" });
    this.button = el(
      "button",
      { type: "button", role: "switch", "aria-checked": "false", class: "switch switch-till", id: "till-take", onclick: () => this.#toggle() },
      el("span", { class: "switch-icon" }, icon("link")),
      this.name,
      this.word,
      el("span", { class: "switch-track", "aria-hidden": "true" }, el("span", { class: "switch-knob" })),
    );
    byId("till-switch").append(this.button);
    byId("till-empty").addEventListener("click", () => this.clear());
    byId("till-pay").addEventListener("click", () => {
      const items = this.basket.filter((line) => line.product).map((line) => ({ ...line.product, count: line.count }));
      if (items.length === 0) empty();
      else pay(items);
    });
  }

  show(language, live) {
    this.language = language;
    this.live = live;
    if (this.wanted && live && this.socket === null && this.retry === undefined) this.#open();
    this.#draw();
  }

  clear() {
    this.basket = [];
    this.#draw();
  }

  #toggle() {
    this.wanted = !this.wanted;
    if (this.wanted) this.#open();
    else this.socket?.close();
    this.#draw();
  }

  #open() {
    const address = new URL(at("events"), document.baseURI);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    this.socket = socket;
    socket.addEventListener("message", (event) => this.#message(socket, event.data));
    socket.addEventListener("close", () => {
      if (this.socket === socket) this.socket = null;
      this.retry = setTimeout(() => {
        this.retry = undefined;
        if (this.wanted && this.live && this.socket === null) this.#open();
      }, RETRY_MS);
    });
  }

  #message(socket, text) {
    const message = JSON.parse(text);
    if (message.type !== "scan" || socket.readyState !== WebSocket.OPEN) return;
    if (!this.seen.includes(message.sequence)) {
      this.seen = [...this.seen, message.sequence].slice(-REMEMBERED_LIMIT);
      this.basket = withItem(this.basket, message.data);
    }
    socket.send(JSON.stringify({ type: "ack", sequence: message.sequence }));
    this.#draw();
  }

  #draw() {
    this.button.setAttribute("aria-checked", String(this.wanted));
    this.name.textContent = t("till.switch");
    renderIfChanged(this.word, [this.wanted, this.language], () => [
      icon(this.wanted ? "ok" : "cancelled"),
      el("span", { text: t(this.wanted ? "till.switch.on" : "till.switch.off") }),
    ]);
    renderIfChanged(this.list, [this.basket, this.language], () =>
      this.basket.length === 0 ? el("li", { class: "empty", text: t("till.basket") }) : this.basket.map((line) => this.#line(line)),
    );
    const sum = this.basket.reduce((total, line) => total + (line.product ? line.product.price * line.count : 0), 0);
    this.total.textContent = t("till.total", { sum: sumText(sum) });
  }

  #line({ data, product, count }) {
    const name = product
      ? el("span", { text: t(`shelf.${product.name}`) })
      : el("span", { class: "hint" }, el("bdi", { class: "data", dir: "ltr" }, visible(data, SHOWN_CHARACTERS)), ` ${t("till.unknown")}`);
    return el("li", {}, el("span", { class: "count", text: `${count} ×` }), name, el("span", { class: "price", text: product ? sumText(product.price * count) : "–" }));
  }
}
