// The devices as small drawings on a 64 x 64 grid; each changes its shape with the device's state.

import { svg } from "./dom.js";

const line = (d, className = "pic-line") => svg("path", { d, class: className });
const box = (x, y, width, height, rx, className = "pic-body") => svg("rect", { x, y, width, height, rx, class: className });

export function tillPicture() {
  return [
    box(5, 8, 54, 36, 4),
    box(10, 13, 44, 26, 2, "pic-screen"),
    line("M15 20h18M15 26h12M15 32h15", "pic-ink"),
    box(38, 19, 12, 14, 1.5, "pic-accent"),
    line("M32 44v8M20 54h24"),
  ];
}

export function bridgePicture({ stopped }) {
  return [
    box(4, 6, 56, 52, 9),
    line("M9 44h46M17 44V33M47 44V33", "pic-strong"),
    line("M9 36c9-2 12-18 23-18s14 16 23 18", "pic-strong"),
    line("M32 18v26M24.5 23v21M39.5 23v21", "pic-thin"),
    stopped ? line("M16 14l32 36M48 14L16 50", "pic-cross") : null,
  ];
}

export function scannerPicture({ unplugged }) {
  return [
    line("M10 14h30l12 7v10H30l-3 25H13l4-25h-7z", "pic-body"),
    line("M30 31v8h-4", "pic-line"),
    box(14, 18, 18, 6, 3, "pic-screen"),
    unplugged ? null : svg("path", { d: "M55 19l7-4M56 26h7M55 33l7 4", class: "pic-beam" }),
    line(unplugged ? "M19 56v3M14 62h2M23 62h2" : "M19 56v7", unplugged ? "pic-cross" : "pic-line"),
  ];
}

export function printerPicture({ paper, coverOpen, cutterError, off }) {
  const parts = [];
  if (paper === "end") parts.push(line("M20 27V8h24v19", "pic-missing"));
  else parts.push(line("M20 30V5l4 3 4-3 4 3 4-3 4 3 4-3v25z", "pic-paper"), line("M25 14h14M25 19h9M25 24h14", "pic-ink"));
  parts.push(box(6, 29, 52, 27, 5), line("M15 36h34", "pic-slot"));
  if (coverOpen) parts.push(line("M58 31L62 8l-12-5", "pic-strong"));
  if (cutterError) parts.push(line("M14 36l5-4 5 8 5-8 5 8 5-8 5 8 6-4", "pic-cross"));
  parts.push(svg("circle", { cx: 49, cy: 47, r: 3, class: off ? "pic-lamp-off" : "pic-lamp" }), line("M14 47h18"));
  return parts;
}

export function drawerPicture({ open, stuck }) {
  const tray = open
    ? [line("M6 30h52l4 14H2z", "pic-screen"), line("M22 30l-4 14M42 30l4 14", "pic-thin"), box(2, 44, 60, 15, 3), line("M26 51h12", "pic-slot")]
    : [line("M5 32h54"), line("M26 41h12", "pic-slot")];
  return [
    box(5, open ? 16 : 18, 54, open ? 16 : 34, 4),
    line("M22 25h20", "pic-thin"),
    ...tray,
    stuck ? line("M27 10v-3a5 5 0 0 1 10 0v3M25 10h14v9H25z", "pic-cross") : null,
  ];
}

/** The board; the LED is drawn by the caller, at (47, 17). */
export function hubPicture() {
  return [
    box(4, 6, 56, 52, 5, "pic-board"),
    box(21, 25, 22, 22, 2, "pic-chip"),
    line("M4 16h5M4 24h5M4 32h5M4 40h5M4 48h5M55 16h5M55 24h5M55 32h5M55 40h5M55 48h5", "pic-pins"),
    box(25, 3, 14, 8, 2, "pic-plug"),
  ];
}
