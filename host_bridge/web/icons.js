// Small line icons on a 24 x 24 grid, drawn for this page.

import { svg } from "./dom.js";

const PATHS = {
  ok: ["M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18", "M8 12.4l2.7 2.7L16 9.6"],
  busy: ["M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18", "M12 7v5.2l3.4 2"],
  warning: ["M12 3.6L22 20.4H2z", "M12 10v4.6", "M12 17.4v.2"],
  error: ["M8.2 3h7.6L21 8.2v7.6L15.8 21H8.2L3 15.8V8.2z", "M9 9l6 6M15 9l-6 6"],
  notice: ["M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18", "M12 11v5.4", "M12 7.6v.2"],
  unknown: ["M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18", "M9.4 9.6a2.6 2.6 0 1 1 3.8 2.4c-.8.5-1.2 1-1.2 2", "M12 17v.2"],
  link: ["M3 12h5M16 12h5", "M8 8.5v7h2.5a3.5 3.5 0 0 0 0-7z", "M16 8.5v7h-2.5a3.5 3.5 0 0 1 0-7z"],
  hub: ["M6 6h12v12H6z", "M10 10h4v4h-4z", "M9 3v3M15 3v3M9 18v3M15 18v3M3 9h3M3 15h3M18 9h3M18 15h3"],
  indicator: ["M12 4a5 5 0 0 1 5 5v6H7V9a5 5 0 0 1 5-5z", "M5 15h14M9.5 15v5M14.5 15v5"],
  scanner: ["M4 5h12l4 3v4H9l-1 8H4.5L6 12H4z", "M8.5 15.5h3"],
  printer: ["M7 9V3h10v6", "M4 9h16v9h-3M7 18H4V9", "M7 14h10v7H7z"],
  drawer: ["M3 6h18v12H3z", "M3 11h18", "M10 14.6h4"],
  cut: ["M6 4l10 12M6 20L16 8", "M18.5 18.5m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0", "M18.5 5.5m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0"],
  power: ["M12 3v8", "M7 6.2a8 8 0 1 0 10 0"],
  paper: ["M6 3h12v18l-2-1.4L14 21l-2-1.4L10 21l-2-1.4L6 21z", "M9 8h6M9 12h6"],
  cover: ["M3 18h18v-5H3z", "M3 13L16 4l2 2.6"],
  picture: ["M4 5h16v14H4z", "M4 16l5-5 4 4 3-3 4 4", "M15.5 9v.2"],
  clock: ["M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18", "M12 7v5.2l3.4 2"],
  cancelled: ["M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18", "M8 12h8"],
  repeat: ["M5 11a7 7 0 0 1 12-4l2 2M19 4v5h-5", "M19 13a7 7 0 0 1-12 4l-2-2M5 20v-5h5"],
  bridge: ["M2 17h20M6 17v-5M18 17v-5", "M2 14c3-.8 5.5-7 10-7s7 6.2 10 7"],
};

export const ICON_NAMES = Object.keys(PATHS);

/** An icon for the eye only; the words beside it carry the meaning. */
export function icon(name) {
  return svg(
    "svg",
    { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    (PATHS[name] ?? PATHS.unknown).map((d) => svg("path", { d })),
  );
}

/** The same icon to be placed inside another drawing, `size` units wide with its corner at x, y. */
export function iconAt(name, x, y, size, className) {
  return svg(
    "g",
    { class: className, transform: `translate(${x} ${y}) scale(${size / 24})` },
    (PATHS[name] ?? PATHS.unknown).map((d) => svg("path", { d })),
  );
}
