// Elements from data. Text always goes in as a text node; nothing here ever parses markup.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Make an HTML element; `text` is its text, `onclick` and the like are listeners, the rest are attributes. */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Make an SVG element. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG_NAMESPACE, tag), properties, children);
}

export function byId(id) {
  const node = document.getElementById(id);
  if (node === null) throw new Error(`index.html has no element with id "${id}"`);
  return node;
}

// Characters that print nothing or turn the text around them; a scan may hold any of them.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]/;
const CONTROL_NAMES = (
  "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US"
).split(" ");

function controlName(character) {
  const code = character.codePointAt(0);
  if (code < CONTROL_NAMES.length) return CONTROL_NAMES[code];
  if (code === 0x7f) return "DEL";
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Split text into runs: `{text, control}`, where control characters became their names. At most `limit` characters. */
export function visibleRuns(text, limit) {
  const runs = [];
  let plain = "";
  for (const character of Array.from(text.slice(0, limit * 2)).slice(0, limit)) {
    if (!UNSEEN.test(character)) {
      plain += character;
      continue;
    }
    if (plain) runs.push({ text: plain, control: false });
    plain = "";
    runs.push({ text: controlName(character), control: true });
  }
  if (plain) runs.push({ text: plain, control: false });
  return runs;
}

/** Nodes that show `text` with its control characters visible, cut at `limit` characters. */
export function visible(text, limit) {
  return visibleRuns(text, limit).map((run) => el("span", { class: run.control ? "control" : null, text: run.text }));
}

/** Replace the children of `node` only if `key` changed since the last call, so that focus and pictures stay. */
export function renderIfChanged(node, key, build) {
  const text = typeof key === "string" ? key : JSON.stringify(key);
  if (node.renderedKey === text) return false;
  node.renderedKey = text;
  node.replaceChildren(...[build()].flat());
  return true;
}
