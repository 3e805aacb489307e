// What the page knows: one plain object, changed only by `apply`, every list in it bounded.

export const LIMITS = {
  scans: 50,
  jobs: 20,
  receipts: 12,
  faults: 32,
  virtualFaults: 32,
  gs1Elements: 20, // of one scan
  dataCharacters: 4096, // of one scan that the page keeps; scanners read less
};

export function initialModel() {
  return {
    phase: "connecting", // "connecting", "live" or "lost": this page's own connection to the bridge
    retryAt: null, // ms since the epoch, while lost
    lostAt: null, // ms since the epoch, while lost
    lostReason: null, // "stopped", "slow" or "refused"
    state: null, // the bridge's State
    scans: null, // newest first; null: not loaded yet
    jobs: null, // newest first
    receipts: null, // newest first
    virtualFaults: null, // name -> active
    light: null, // {colour} as the virtual hub's LED really shines
    kick: null, // the last one seen
  };
}

/** Milliseconds since the epoch, from the API's seconds or RFC 3339 text; null if it is neither. */
export function timeOf(value) {
  if (typeof value === "number" && Number.isFinite(value)) return value * 1000;
  const parsed = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(parsed) ? null : parsed;
}

function scanOf(raw, state) {
  const data = String(raw.data ?? "");
  return {
    sequence: raw.sequence,
    data: data.slice(0, LIMITS.dataCharacters),
    length: data.length,
    symbology: raw.symbology ?? null,
    checkDigitOk: raw.check_digit_ok ?? null,
    repeat: Boolean(raw.repeat),
    gs1: raw.gs1 ? { ok: Boolean(raw.gs1.ok), elements: (raw.gs1.elements ?? []).slice(0, LIMITS.gs1Elements) } : null,
    readAt: timeOf(raw.read_at),
    state: raw.state ?? state,
  };
}

function withScan(scans, scan) {
  const others = (scans ?? []).filter((known) => known.sequence !== scan.sequence);
  return [scan, ...others].sort((a, b) => b.sequence - a.sequence).slice(0, LIMITS.scans);
}

function withJob(jobs, job) {
  const at = (one) => timeOf(one.created_at) ?? 0;
  const changed = (one) => timeOf(one.updated_at) ?? 0;
  const known = (jobs ?? []).find((one) => one.job_id === job.job_id);
  if (known && changed(known) > changed(job)) return jobs; // a list that was asked for before the last event
  const others = (jobs ?? []).filter((one) => one !== known);
  return [job, ...others].sort((a, b) => at(b) - at(a)).slice(0, LIMITS.jobs);
}

const SEVERITIES = ["error", "warning", "notice"];

/** The worst fault first, for the moment until the bridge's own order arrives with the next state. */
export function orderedFaults(faults) {
  const rank = (fault) => {
    const index = SEVERITIES.indexOf(fault.severity);
    return index < 0 ? SEVERITIES.length : index;
  };
  const since = (fault) => timeOf(fault.since) ?? 0;
  return [...(faults ?? [])].sort((a, b) => rank(a) - rank(b) || since(a) - since(b)).slice(0, LIMITS.faults);
}

function withFault(faults, event) {
  const others = (faults ?? []).filter((known) => known.code !== event.fault.code);
  return orderedFaults(event.active ? [event.fault, ...others] : others);
}

function settled(scans, event) {
  return (scans ?? []).map((scan) => (scan.sequence === event.sequence ? { ...scan, state: event.outcome } : scan));
}

/** The journal's scans, and those that an event brought while they were being loaded. */
function loadedScans(known, raws) {
  const loaded = raws.reduce((list, raw) => withScan(list, scanOf(raw, "waiting")), []);
  const newest = loaded[0]?.sequence ?? 0;
  return (known ?? []).filter((scan) => scan.sequence > newest).reduce(withScan, loaded);
}

const inState = (model, change) => (model.state ? { ...model, state: { ...model.state, ...change } } : model);
const inDevices = (model, change) =>
  model.state ? inState(model, { devices: { ...model.state.devices, ...change } }) : model;

// Messages from the WebSocket, by their type; "…_loaded" and "phase" are the page's own.
const REDUCERS = {
  state: (model, { state }) => ({ ...model, state: { ...state, faults: (state.faults ?? []).slice(0, LIMITS.faults) } }),
  scan: (model, event) => ({ ...model, scans: withScan(model.scans, scanOf(event, "waiting")) }),
  scan_settled: (model, event) => ({ ...model, scans: settled(model.scans, event) }),
  job: (model, event) => ({ ...model, jobs: withJob(model.jobs, event.job) }),
  drawer: (model, event) => ({
    ...inDevices(model, { drawer: { status: event.status } }),
    kick: event.kick ?? model.kick,
  }),
  scanner: (model, event) => inDevices(model, { scanner: event.scanner }),
  printer: (model, event) => inDevices(model, { printer: event.printer }),
  fault: (model, event) => inState(model, { faults: withFault(model.state?.faults, event) }),
  link: (model, event) => inState(model, { link: event.link }),
  indicator: (model, event) => inState(model, { indicator: event.indicator }),
  light: (model, event) => ({ ...model, light: { colour: event.colour } }),
  light_loaded: (model, { lights }) => ({ ...model, light: model.light ?? lights.at(-1) ?? null }), // an event is newer
  receipt: (model) => model, // the list is asked for again: the event has only the number
  virtual_fault: (model, event) => ({
    ...model,
    virtualFaults: boundedFlags({ ...(model.virtualFaults ?? {}), [event.fault]: Boolean(event.active) }),
  }),
  scans_loaded: (model, { scans }) => ({ ...model, scans: loadedScans(model.scans, scans) }),
  jobs_loaded: (model, { jobs }) => ({ ...model, jobs: jobs.reduce(withJob, model.jobs ?? []) }),
  receipts_loaded: (model, { receipts }) => ({
    ...model,
    receipts: [...receipts].sort((a, b) => b.n - a.n).slice(0, LIMITS.receipts),
  }),
  virtual_faults_loaded: (model, { faults }) => ({ ...model, virtualFaults: boundedFlags(faults) }),
  phase: (model, { phase, retryAt = null, lostReason = null, now }) => ({
    ...model,
    phase,
    retryAt,
    lostReason: phase === "lost" ? lostReason : null,
    lostAt: phase === "live" ? null : phase === "lost" ? (model.lostAt ?? now) : model.lostAt,
    light: phase === "live" ? null : model.light,
  }),
};

function boundedFlags(flags) {
  const entries = Object.entries(flags ?? {}).slice(0, LIMITS.virtualFaults);
  return Object.fromEntries(entries.map(([name, active]) => [name, Boolean(active)]));
}

/** The model after `message`. A message of an unknown type changes nothing: a newer bridge may send some. */
export function apply(model, message) {
  const reduce = Object.hasOwn(REDUCERS, message.type) ? REDUCERS[message.type] : null;
  return reduce ? reduce(model, message) : model;
}
