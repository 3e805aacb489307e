// Each part's condition in one word: `{kind, word}`. The drawing and the cards say the same because both ask here.
// kind: "ok", "busy", "notice", "warning", "error" or "unknown" (also the icon's name).

import { codeText, t } from "./text.js";

const UNKNOWN = () => ({ kind: "unknown", word: t("status.unknown") });

function faultKind(model, device) {
  const faults = (model.state?.faults ?? []).filter((fault) => fault.device === device);
  if (faults.some((fault) => fault.severity === "error")) return "error";
  return faults.length > 0 ? "warning" : null;
}

/** What the device's own faults make of its status: a fault may be known before the status that goes with it. */
function ofFaults(model, device, otherwise) {
  const kind = faultKind(model, device);
  if (kind === "error") return { kind, word: t("status.fault") };
  return kind ? { kind, word: t("status.warning") } : otherwise;
}

export const isLive = (model) => model.phase === "live" && model.state !== null;
// While the link is down nobody knows how a device is, even if the devices' own events have not arrived yet.
export const isLinkUp = (model) => isLive(model) && model.state.link.status === "up";

function till(model) {
  if (!isLive(model)) return UNKNOWN();
  const n = model.state.devices.scanner.waiting;
  return n > 0 ? { kind: "busy", word: t("status.waiting", { n }) } : { kind: "ok", word: t("status.none_waiting") };
}

function bridge(model) {
  if (isLive(model)) {
    const kind = faultKind(model, "bridge");
    return kind ? { kind, word: t("status.warning") } : { kind: "ok", word: t("status.running") };
  }
  if (model.phase === "connecting" && model.lostAt === null) return { kind: "busy", word: t("status.connecting") };
  return { kind: "error", word: t("status.stopped") };
}

function link(model) {
  if (!isLive(model)) return UNKNOWN();
  if (model.state.link.status !== "up") return { kind: "error", word: t("status.down") };
  return { kind: faultKind(model, "link") ?? "ok", word: t("status.up") };
}

function hub(model) {
  if (!isLinkUp(model)) return UNKNOWN();
  if (model.state.hub === null) return { kind: "unknown", word: t("status.no_hub") };
  if (model.state.hub.safe_mode) return { kind: "warning", word: t("status.safe_mode") };
  const kind = faultKind(model, "hub");
  return kind ? { kind, word: t("status.warning") } : { kind: "ok", word: t("status.hub_ok") };
}

function scanner(model) {
  const status = model.state?.devices.scanner.status;
  if (!isLinkUp(model) || status === "unknown") return UNKNOWN();
  if (status === "fault") return { kind: "error", word: t("status.fault") };
  return ofFaults(model, "scanner", status === "off"
    ? { kind: "notice", word: t("status.off") }
    : { kind: "ok", word: t("status.ready") });
}

function printerTrouble(printer) {
  if (printer.cover_open) return "cover_open";
  if (printer.paper === "end") return "paper_end";
  if (printer.cutter_error) return "cutter";
  return printer.online ? "fault" : "offline";
}

function printer(model) {
  const now = model.state?.devices.printer;
  if (!isLinkUp(model) || now.status === "unknown") return UNKNOWN();
  if (now.status === "fault") return { kind: "error", word: t(`status.${printerTrouble(now)}`) };
  if (now.paper === "near_end") return { kind: "warning", word: t("status.paper_near_end") };
  if (now.status === "printing") return { kind: "busy", word: t("status.printing") };
  return ofFaults(model, "printer", { kind: "ok", word: t("status.ready") });
}

function drawer(model) {
  const status = model.state?.devices.drawer.status;
  if (!isLinkUp(model) || status === "unknown") return UNKNOWN();
  if (status === "fault") return { kind: "error", word: t("status.fault") };
  return ofFaults(model, "drawer", { kind: status === "open" ? "notice" : "ok", word: codeText("status", status) });
}

const PARTS = { till, bridge, link, hub, scanner, printer, drawer };

/** `{kind, word}` of each part by name. */
export function statuses(model) {
  return Object.fromEntries(Object.entries(PARTS).map(([name, statusOf]) => [name, statusOf(model)]));
}
