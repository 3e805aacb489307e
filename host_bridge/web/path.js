// The drawing: till, bridge, link, hub, devices. One SVG, wide or narrow, redrawn when a part changes.

import { el, svg } from "./dom.js";
import { iconAt } from "./icons.js";
import { isLit } from "./light.js";
import * as pictures from "./pictures.js";
import { isLinkUp, isLive, statuses } from "./status.js";
import { t } from "./text.js";

const DEVICES = ["scanner", "printer", "drawer"];

// Boxes are [x, y, width, height]; `lines` run from left to right (or down): the way of a receipt.
const WIDE = {
  view: [1120, 352],
  groups: { computer: [8, 30, 464, 312], counter: [650, 30, 462, 312] },
  nodes: {
    till: [20, 78, 196, 236],
    bridge: [264, 78, 196, 236],
    hub: [662, 78, 150, 236],
    scanner: [846, 46, 256, 84],
    printer: [846, 144, 256, 84],
    drawer: [846, 242, 256, 84],
  },
  rows: DEVICES,
  lines: {
    till: "M216 186H264",
    link: "M460 186H662",
    scanner: "M812 150H823Q829 150 829 144V94Q829 88 835 88H846",
    printer: "M812 186H846",
    drawer: "M812 222H823Q829 222 829 228V278Q829 284 835 284H846",
  },
  gap: [536, 586, 186, false],
  label: { x: 561, y: 146, anchor: "middle", detail: 222 },
};
const NARROW = {
  view: [360, 690],
  groups: { computer: [4, 24, 352, 186], counter: [4, 300, 352, 384] },
  nodes: {
    till: [14, 36, 152, 164],
    bridge: [194, 36, 152, 164],
    hub: [16, 318, 328, 92],
    scanner: [56, 424, 288, 78],
    printer: [56, 510, 288, 78],
    drawer: [56, 596, 288, 78],
  },
  rows: ["hub", ...DEVICES],
  lines: {
    till: "M166 118H194",
    link: "M270 200V318",
    scanner: "M36 410V457Q36 463 42 463H56",
    printer: "M36 410V543Q36 549 42 549H56",
    drawer: "M36 410V629Q36 635 42 635H56",
  },
  gap: [240, 276, 270, true],
  label: { x: 20, y: 230, anchor: "start", detail: 249 },
};
const PULSES_LIMIT = 6; // dots on their way at a time
const PULSE_MS = 900;

function shortened(text, length) {
  if (text.length <= length) return text;
  const half = Math.floor((length - 1) / 2);
  return `${text.slice(0, half)}…${text.slice(-half)}`;
}

function words(x, y, text, className, anchor, width) {
  return svg("text", { x, y, class: className, "text-anchor": anchor, "data-width": width, text });
}

/** Cut texts that run out of their box; only a browser knows how wide a text is. */
function fitTexts(drawing) {
  for (const group of drawing.querySelectorAll("[data-centre]")) {
    const box = group.getBBox();
    group.setAttribute("transform", `translate(${Number(group.dataset.centre) - box.x - box.width / 2} 0)`);
  }

  for (const node of drawing.querySelectorAll("text[data-width]")) {
    const width = Number(node.dataset.width);
    const whole = node.textContent;
    for (let length = whole.length; length > 1 && node.getComputedTextLength() > width; ) {
      length = Math.min(length - 1, Math.ceil((length * width) / node.getComputedTextLength()));
      node.textContent = `${whole.slice(0, length).trimEnd()}…`;
    }
  }
}

export class Path {
  constructor(container) {
    this.container = container;
    this.narrow = window.matchMedia("(max-width: 700px)");
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.narrow.addEventListener("change", () => this.#again());
    this.led = null;
    this.colour = null;
    this.pulses = 0;
    this.key = null;
  }

  show(model) {
    this.model = model;
    const parts = this.#parts(model);
    const key = JSON.stringify([parts, this.narrow.matches]);
    if (key === this.key) return;
    this.key = key;
    this.#draw(parts);
  }

  /** Shine. Called many times a second at most, so it touches nothing but the LED. */
  paint(colour) {
    this.colour = colour;
    if (this.led === null) return;
    const lit = isLit(colour);
    this.led.bulb.style.fill = lit ? colour : "";
    this.led.halo.style.fill = lit ? colour : "none";
  }

  /** A dot runs along the lines: `from` a device "up" to the till, or "down" from the till to it. */
  pulse(device, direction) {
    if (this.still.matches || this.pulses >= PULSES_LIMIT || document.hidden || !isLive(this.model)) return;
    const names = isLinkUp(this.model) ? ["till", "link", device] : ["till"];
    const paths = names.map((name) => this.container.querySelector(`[data-line="${name}"]`)).filter(Boolean);
    if (paths.length === 0) return;
    const lengths = paths.map((path) => path.getTotalLength());
    const whole = lengths.reduce((sum, length) => sum + length, 0);
    const dot = svg("circle", { r: 6, class: "pulse" });
    paths[0].ownerSVGElement.append(dot);
    this.pulses += 1;
    const started = performance.now();
    const step = (now) => {
      const part = Math.min(1, Math.max(0, (now - started) / PULSE_MS));
      let at = whole * (direction === "up" ? 1 - part : part);
      let index = 0;
      while (index < paths.length - 1 && at > lengths[index]) at -= lengths[index++];
      const point = paths[index].getPointAtLength(at);
      dot.setAttribute("cx", point.x);
      dot.setAttribute("cy", point.y);
      if (part < 1 && dot.isConnected) requestAnimationFrame(step);
      else {
        dot.remove();
        this.pulses -= 1;
      }
    };
    requestAnimationFrame(step);
  }

  #again() {
    this.key = null;
    if (this.model) this.show(this.model);
  }

  #parts(model) {
    const state = model.state;
    const status = statuses(model);
    const names = {
      till: [t("path.till"), t("path.till_what")],
      bridge: [t("path.bridge"), t("path.bridge_what")],
      hub: [t("path.hub"), state?.hub ? shortened(state.hub.name || state.hub.board, 40) : ""],
      scanner: [t("device.scanner")],
      printer: [t("device.printer")],
      drawer: [t("device.drawer")],
    };
    const linkDetail = [];
    if (isLive(model)) {
      if (state.link.transport && state.link.status === "up") linkDetail.push(state.link.transport);
      if (isLinkUp(model) && typeof state.link.round_trip_ms === "number") {
        linkDetail.push(t("link.milliseconds", { n: state.link.round_trip_ms.toFixed(1) }));
      }
    }
    return {
      groups: { computer: t("path.computer"), counter: t("path.counter") },
      names,
      status,
      link: { name: t("device.link"), detail: linkDetail.join(" · "), port: state?.link.port ? shortened(state.link.port, 24) : "" },
      live: isLive(model),
      up: isLinkUp(model),
      pictures: {
        stopped: status.bridge.kind === "error" && !isLive(model),
        unplugged: state?.devices.scanner.status === "fault",
        paper: state?.devices.printer.paper,
        coverOpen: state?.devices.printer.cover_open,
        cutterError: state?.devices.printer.cutter_error,
        off: !isLinkUp(model) || !state.devices.printer.online,
        open: state?.devices.drawer.status === "open",
        stuck: state?.devices.drawer.status === "fault" || status.drawer.kind === "error",
      },
    };
  }

  #draw(parts) {
    const layout = this.narrow.matches ? NARROW : WIDE;
    const [width, height] = layout.view;
    const spoken = Object.entries(parts.status).map(([name, { word }]) => `${parts.names[name]?.[0] ?? parts.link.name}: ${word}`);
    const drawing = svg(
      "svg",
      {
        viewBox: `0 0 ${width} ${height}`,
        role: "img",
        "aria-label": t("path.summary", { parts: spoken.join("; ") }),
        class: layout === NARROW ? "narrow" : "wide",
      },
      Object.entries(layout.groups).map(([name, [x, y, w, h]]) => [
        svg("rect", { x, y, width: w, height: h, rx: 18, class: "group" }),
        words(x + 16, y - 9, parts.groups[name], "group-name", "start", w - 32),
      ]).flat(),
      this.#lines(layout, parts),
      Object.keys(layout.nodes).map((name) => this.#node(layout, name, parts)),
      this.#linkLabel(layout, parts),
    );
    this.container.replaceChildren(drawing);
    fitTexts(drawing);
    this.paint(this.colour ?? "#000000");
  }

  #lines(layout, parts) {
    const classOf = (name) => {
      if (name === "till") return parts.live ? "good" : "dead";
      if (name === "link") return parts.up ? "good" : "dead";
      if (!parts.up || parts.status[name].kind === "unknown") return "dead";
      return parts.status[name].kind === "error" ? "bad" : "good";
    };
    const drawn = Object.entries(layout.lines).map(([name, d]) =>
      svg("path", { d, class: `wire wire-${name} ${classOf(name)}`, "data-line": name }),
    );
    if (parts.live && !parts.up) {
      const [from, to, across, upright] = layout.gap;
      const middle = (from + to) / 2;
      const gap = upright
        ? { x: across - 8, y: from, width: 16, height: to - from }
        : { x: from, y: across - 8, width: to - from, height: 16 };
      drawn.push(svg("rect", { ...gap, class: "gap" }));
      drawn.push(iconAt("error", (upright ? across : middle) - 15, (upright ? middle : across) - 15, 30, "status-icon error"));
    }
    return drawn;
  }

  #linkLabel(layout, parts) {
    const { x, y, anchor, detail } = layout.label;
    const { kind, word } = parts.status.link;
    const middle = anchor === "middle";
    return svg(
      "g",
      { class: `node-${kind}` },
      middle ? words(x, y - 24, parts.link.name, "node-name", anchor, 180) : null,
      svg(
        "g",
        { "data-centre": middle ? x : null },
        iconAt(kind, x, y - 15, 20, `status-icon ${kind}`),
        words(x + 26, y, middle ? word : `${parts.link.name}: ${word}`, "node-status", "start", middle ? 130 : 200),
      ),
      words(x, detail, parts.link.detail, "node-detail", anchor, middle ? 184 : 220),
      words(x, detail + (middle ? 20 : 17), parts.link.port, "node-detail", anchor, middle ? 184 : 220),
    );
  }

  #node(layout, name, parts) {
    const [x, y, width, height] = layout.nodes[name];
    const { kind, word } = parts.status[name];
    const [title, what] = parts.names[name];
    const picture = this.#picture(name, parts);
    const frame = svg("rect", { x, y, width, height, rx: 12, class: "node-frame" });
    const group = { class: `node node-${kind} node-of-${name}` };
    if (layout.rows.includes(name)) {
      const top = y + (height - 60) / 2;
      const left = x + 82;
      const room = width - 92;
      return svg(
        "g",
        group,
        frame,
        svg("g", { class: "pic", transform: `translate(${x + 12} ${top}) scale(.94)` }, picture),
        words(left, top + 22, title, "node-name", "start", room),
        iconAt(kind, left, top + 33, 18, `status-icon ${kind}`),
        words(left + 24, top + 47, word, "node-status", "start", room - 24),
      );
    }
    const centre = x + width / 2;
    const small = layout === NARROW;
    const top = y + (small ? 8 : 22);
    const scale = small ? 1 : 1.35;
    const under = top + 64 * scale;
    return svg(
      "g",
      group,
      frame,
      svg("g", { class: "pic", transform: `translate(${centre - 32 * scale} ${top}) scale(${scale})` }, picture),
      words(centre, under + (small ? 20 : 30), title, "node-name", "middle", width - 16),
      words(centre, under + (small ? 38 : 51), what ?? "", "node-detail", "middle", width - 14),
      svg("rect", { x: x + 8, y: under + (small ? 48 : 72), width: width - 16, height: 30, rx: 15, class: "status-pill" }),
      iconAt(kind, x + 15, under + (small ? 54 : 78), 18, `status-icon ${kind}`),
      words(x + 37, under + (small ? 68 : 92), word, "node-status", "start", width - 48),
    );
  }

  #picture(name, parts) {
    if (name === "till") return pictures.tillPicture();
    if (name !== "hub") return pictures[`${name}Picture`](parts.pictures);
    this.led = {
      halo: svg("circle", { cx: 47, cy: 17, r: 12, class: "led-halo" }),
      bulb: svg("circle", { cx: 47, cy: 17, r: 5.5, class: "led-bulb" }),
    };
    return [...pictures.hubPicture(), this.led.halo, this.led.bulb];
  }
}

/** The LED as a thing of its own, for its card: `{node, paint}`. */
export function ledLamp() {
  const halo = svg("circle", { cx: 32, cy: 32, r: 29, class: "led-halo" });
  const bulb = svg("circle", { cx: 32, cy: 32, r: 15, class: "led-bulb" });
  const shine = svg("path", { d: "M24 29a9 9 0 0 1 7-7", class: "led-shine" });
  const node = el("div", { class: "lamp" }, svg("svg", { viewBox: "0 0 64 64", "aria-hidden": "true" }, halo, bulb, shine));
  const paint = (colour) => {
    bulb.style.fill = isLit(colour) ? colour : "";
    halo.style.fill = isLit(colour) ? colour : "none";
  };
  return { node, paint };
}
