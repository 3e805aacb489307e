// Requests to the bridge: each has a deadline, and each refusal becomes a Problem with words in it.

export const DEADLINE_MS = 10_000; // a drawer request may use its whole time to live (2 s) and then some
const EMULATED_DEADLINE_MS = 120_000; // an emulated chip takes so much longer for it

let usualDeadlineMs = DEADLINE_MS;

/** Wait longer for answers, because the hub's chip is an emulated one, or as usual. */
export function bePatient(emulated) {
  usualDeadlineMs = emulated ? EMULATED_DEADLINE_MS : DEADLINE_MS;
}

/** A refusal (problem+json) or a failure to reach the bridge; `code` is stable, `detail` is for people. */
export class Problem extends Error {
  constructor({ title, titleZh, detail, code, status }) {
    super(detail || title || code || String(status));
    this.name = "Problem";
    this.code = code;
    this.titleZh = titleZh; // what went wrong in Chinese; the details are in English only
    this.status = status;
  }
}

async function problemOf(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // Not JSON: the status line has to do.
  }
  return new Problem({
    title: body.title ?? response.statusText,
    titleZh: body.title_zh,
    detail: body.detail,
    code: body.code ?? `http_${response.status}`,
    status: response.status,
  });
}

/** Send a request and return the parsed JSON answer (or null if it has no body). Throws Problem. */
export async function request(method, path, { body, type, deadlineMs = usualDeadlineMs } = {}) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), deadlineMs);
  try {
    const headers = type ? { "Content-Type": type } : {};
    const response = await fetch(path, { method, headers, body, signal: abort.signal, cache: "no-store" });
    if (!response.ok) throw await problemOf(response);
    const text = await response.text();
    return text === "" ? null : JSON.parse(text);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem({ detail: error.message, code: "unreachable", status: 0 });
  } finally {
    clearTimeout(timer);
  }
}

export const get = (path, options) => request("GET", path, options);
export const post = (path, body, type) => request("POST", path, { body, type });
export const postJson = (path, value) => post(path, JSON.stringify(value), "application/json");

/** The list in an answer, whether it is the answer itself or one named member of it. */
export function listOf(answer, name) {
  if (Array.isArray(answer)) return answer;
  return Array.isArray(answer?.[name]) ? answer[name] : [];
}
