// The LED: plays the indicator's steps as the hub does, or follows the virtual hub's real light.

const STEPS_LIMIT = 64;
const STEP_MIN_MS = 20; // a shorter step could not be seen, and would keep the page busy
const STEP_MAX_MS = 60_000;
export const DARK = "#000000";

/** `#rrggbb` in lower case, or dark if it is anything else. */
export function colourOf(value) {
  return typeof value === "string" && /^#[0-9a-f]{6}$/i.test(value) ? value.toLowerCase() : DARK;
}

export function isLit(colour) {
  return colour !== DARK;
}

/** The indicator's steps with every field checked. */
export function stepsOf(indicator) {
  return (indicator?.steps ?? []).slice(0, STEPS_LIMIT).map((step) => ({
    colour: colourOf(step.colour),
    ms: Math.min(STEP_MAX_MS, Math.max(STEP_MIN_MS, Number(step.ms) || STEP_MIN_MS)),
  }));
}

/** The step that shines at `at` ms, and for how many ms still. */
export function stepAt(steps, at) {
  const period = steps.reduce((sum, step) => sum + step.ms, 0);
  let left = at % period;
  for (const step of steps) {
    if (left < step.ms) return { colour: step.colour, forMs: step.ms - left };
    left -= step.ms;
  }
  return { colour: steps[0].colour, forMs: steps[0].ms };
}

/** The name of a colour as a key of the dictionary. */
export function colourKey(colour) {
  const [red, green, blue] = [1, 3, 5].map((start) => Number.parseInt(colour.slice(start, start + 2), 16));
  const most = Math.max(red, green, blue);
  if (most === 0) return "colour.dark";
  const [r, g, b] = [red, green, blue].map((part) => part > most * 0.35);
  if (r && g && b) return "colour.white";
  if (r && g) return "colour.amber";
  if (r && b) return "colour.violet";
  if (g && b) return "colour.cyan";
  return r ? "colour.red" : g ? "colour.green" : "colour.blue";
}

/** What the steps look like, in countable words: `{kind: "dark" | "steady" | "flashes" | "turns", colour, count}`. */
export function rhythmOf(steps) {
  const lit = steps.filter((step) => isLit(step.colour));
  if (lit.length === 0) return { kind: "dark", colour: DARK, count: 0 };
  const different = new Set(lit.map((step) => step.colour)).size > 1;
  if (lit.length === steps.length && different) {
    const longest = [...lit].sort((a, b) => b.ms - a.ms)[0];
    const other = lit.filter((step) => step.colour !== longest.colour);
    return { kind: "turns", colour: longest.colour, other: other[0].colour, count: other.length };
  }
  if (lit.length === steps.length) return { kind: "steady", colour: lit[0].colour, count: 0 };
  const starts = steps.filter((step, i) => isLit(step.colour) && !isLit(steps[(i + steps.length - 1) % steps.length].colour));
  return { kind: "flashes", colour: lit[0].colour, count: starts.length };
}

/** Calls `paint(colour)` whenever the LED changes. With reduced motion it holds the pattern's first lit colour. */
export class Light {
  constructor(paint) {
    this.paint = paint;
    this.timer = null;
    this.key = null;
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.still.addEventListener("change", () => {
      const [steps, real] = this.shown ?? [[], null];
      this.key = null;
      this.show(steps, real);
    });
  }

  /** `real` is the virtual hub's light and wins over the steps; both empty: dark. */
  show(steps, real) {
    this.shown = [steps, real];
    const key = JSON.stringify([steps, real, this.still.matches]);
    if (key === this.key) return;
    this.key = key;
    clearTimeout(this.timer);
    if (real !== null && !this.still.matches) this.paint(real);
    else if (steps.length === 0) this.paint(real ?? DARK);
    else if (this.still.matches) this.paint(rhythmOf(steps).colour);
    else this.#play(steps);
  }

  #play(steps) {
    const { colour, forMs } = stepAt(steps, performance.now());
    this.paint(colour);
    if (steps.length > 1) this.timer = setTimeout(() => this.#play(steps), forMs + 1);
  }
}
