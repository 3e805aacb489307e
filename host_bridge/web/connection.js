// This page's connection to the bridge: one WebSocket at a time, reconnected with back-off for as long as the page is open.

import { get } from "./api.js";
import { at } from "./hubs.js";

export const FIRST_RETRY_MS = 500;
export const LAST_RETRY_MS = 10_000;
export const OPEN_DEADLINE_MS = 5_000; // a socket that has not spoken by then is given up
export const REFRESH_MS = 5_000; // the state is asked for this often, for what has no event (round trip, counts)
const REFRESH_SOON_MS = 250;
const REFRESH_DEADLINE_MS = 4_000;
const CLOSED_TOO_SLOW = 1013; // "try again later": the bridge cut off a reader that fell behind
const CLOSED_POLICY = 1008;

/** Milliseconds to wait before try number `attempt` (0 is the first), without the jitter. */
export function backOffMs(attempt) {
  return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt, 16));
}

export class Connection {
  /** `deliver(message)` gets every message, `opened()` is called after the first state of each connection. */
  constructor({ deliver, opened }) {
    this.deliver = deliver;
    this.opened = opened;
    this.socket = null;
    this.attempt = 0;
    this.live = false;
    this.retryTimer = null;
    this.openTimer = null;
    this.refreshTimer = null;
    this.stateEvents = 0; // events that changed the state; an answer that was overtaken by one is thrown away
  }

  start() {
    window.addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.retryNow();
    });
    this.#open();
  }

  /** Try at once if the connection is down; does nothing while it is up or being opened. */
  retryNow() {
    if (this.socket === null) this.#open();
  }

  /** Ask for the state soon: something happened that has no field in its event. */
  refreshSoon() {
    if (this.live) this.#scheduleRefresh(REFRESH_SOON_MS);
  }

  #open() {
    clearTimeout(this.retryTimer);
    this.deliver({ type: "phase", phase: "connecting" });
    const address = new URL(at("events?observe=1"), document.baseURI);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    this.socket = socket;
    this.openTimer = setTimeout(() => this.#lost(socket, "stopped"), OPEN_DEADLINE_MS);
    socket.addEventListener("message", (event) => this.#message(socket, event.data));
    socket.addEventListener("close", (event) => this.#lost(socket, this.#reason(event.code)));
  }

  #reason(code) {
    if (code === CLOSED_TOO_SLOW) return "slow";
    return code === CLOSED_POLICY ? "refused" : "stopped";
  }

  #message(socket, text) {
    if (socket !== this.socket || typeof text !== "string") return;
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      console.warn("expected JSON on /api/v1/events, got", text.slice(0, 200));
      return;
    }
    if (message.type === "state" && !this.live) {
      this.live = true;
      this.attempt = 0;
      clearTimeout(this.openTimer);
      this.deliver({ type: "phase", phase: "live" });
      this.deliver(message);
      this.opened();
      this.#scheduleRefresh(REFRESH_MS);
      return;
    }
    if (message.type !== "light" && message.type !== "receipt") this.stateEvents += 1;
    this.deliver(message);
  }

  #lost(socket, lostReason) {
    if (socket !== this.socket) return;
    this.socket = null;
    this.live = false;
    clearTimeout(this.openTimer);
    clearTimeout(this.refreshTimer);
    socket.close();
    const wait = backOffMs(this.attempt) * (0.8 + 0.4 * Math.random()); // jitter: many pages, one bridge
    this.attempt += 1;
    this.deliver({ type: "phase", phase: "lost", lostReason, retryAt: Date.now() + wait, now: Date.now() });
    this.retryTimer = setTimeout(() => this.#open(), wait);
  }

  #scheduleRefresh(ms) {
    clearTimeout(this.refreshTimer);
    this.refreshTimer = setTimeout(() => this.#refresh(), ms);
  }

  async #refresh() {
    const socket = this.socket;
    const before = this.stateEvents;
    if (document.hidden) {
      this.#scheduleRefresh(REFRESH_MS);
      return;
    }
    try {
      const state = await get(at("state"), { deadlineMs: REFRESH_DEADLINE_MS });
      if (socket !== this.socket) return;
      if (before === this.stateEvents) this.deliver({ type: "state", state });
      this.#scheduleRefresh(before === this.stateEvents ? REFRESH_MS : REFRESH_SOON_MS);
    } catch (error) {
      if (error.code === "unreachable") this.#lost(socket, "stopped");
      else if (socket === this.socket) this.#scheduleRefresh(REFRESH_MS);
    }
  }
}
