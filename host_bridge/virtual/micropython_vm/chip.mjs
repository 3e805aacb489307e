// The chip process on MicroPython's WebAssembly build: node chip.mjs MICROPYTHON_MODULE FLASH_FOLDER
//
// Standard input and output are the edge of ../wires.py; standard error is the simulation's own log. The world outside
// MicroPython is the module `_chip` (see `makeChip`), on which machine.py is built. Bytes cross as hexadecimal text.
//
// One thread runs the program. Interrupts (timers, pins, UARTs) are taken whenever the program has nothing to do, and
// at each of its calls into the chip or the clock; a loop without any such call is never interrupted, and only the
// watchdog, which is outside, ends it. What the program writes to its flash lasts until its next start.

import { readdirSync, readFileSync, readSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isMainThread, MessageChannel, receiveMessageOnPort, Worker, workerData } from "node:worker_threads";
import { randomBytes } from "node:crypto";

const UART_CONFIG = 0x01, UART_TX = 0x02, UART_TAKEN = 0x03, PIN_MODE = 0x04, PIN_OUT = 0x05, PWM_OUT = 0x06;
const WDT_START = 0x07, WDT_FEED = 0x08, RESET = 0x09, RTC = 0x0a, TEXT = 0x0b;
const BOOT = 0x81, UART_RX = 0x82, UART_SENT = 0x83, UART_BREAK = 0x84, PIN_IN = 0x85, HANG = 0x86;
const HEADER_BYTES = 4;
const READ_BYTES = 65536;
const TEXT_CHUNK_BYTES = 4096;
const TICKS_MASK = 2 ** 30 - 1;
const SLICE_MS = 2; // a program that waits inside the chip looks for interrupts so often
const HELD_UP_MS = 250; // a tick that comes so late shows that this process stood still, and with it the program
const EVENT_TIMER = 0, EVENT_READABLE = 1, EVENT_WRITABLE = 2, EVENT_PIN = 3, EVENT_BREAK = 4; // as in machine.py

const cell = new Int32Array(new SharedArrayBuffer(4));
const pause = (ms) => Atomics.wait(cell, 0, 0, ms);

// A thread of its own reads the edge, so that the program can be told of what came without coming to rest.
function readEdge(port) {
  const block = Buffer.alloc(READ_BYTES);
  for (;;) {
    let count = 0;
    try {
      count = readSync(0, block);
    } catch (error) {
      if (error.code === "EAGAIN") {
        pause(1);
        continue;
      }
    }
    if (!count) process.kill(process.pid, "SIGKILL"); // power is gone, also for a program that hangs
    port.postMessage(new Uint8Array(block.subarray(0, count)));
  }
}

function send(kind, number = 0, payload = Buffer.alloc(0)) {
  const frame = Buffer.alloc(HEADER_BYTES + payload.length);
  frame[0] = kind;
  frame[1] = number;
  frame.writeUInt16LE(payload.length, 2);
  payload.copy(frame, HEADER_BYTES);
  for (let done = 0; done < frame.length; ) {
    try {
      done += writeSync(1, frame, done);
    } catch (error) {
      if (error.code !== "EAGAIN") process.kill(process.pid, "SIGKILL"); // the world is gone
      pause(1);
    }
  }
}

function integers(...pairs) {
  const bytes = Buffer.alloc(pairs.reduce((sum, [width]) => sum + width, 0));
  let at = 0;
  for (const [width, value] of pairs) {
    if (width === 8) bytes.writeBigUInt64LE(BigInt(value), at);
    else bytes.writeUIntLE(value, at, width);
    at += width;
  }
  return bytes;
}

class FrameReader {
  #buffer = Buffer.alloc(0);

  feed(data) {
    this.#buffer = Buffer.concat([this.#buffer, data]);
    const frames = [];
    while (this.#buffer.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.#buffer.readUInt16LE(2);
      if (this.#buffer.length < end) break;
      frames.push({ kind: this.#buffer[0], number: this.#buffer[1], payload: this.#buffer.subarray(HEADER_BYTES, end) });
      this.#buffer = this.#buffer.subarray(end);
    }
    return frames;
  }
}

// What the program prints, line by line, as a REPL sends it.
class Text {
  #bytes = [];

  write(bytes) {
    for (const byte of bytes) {
      if (byte === 0x0a) this.#bytes.push(0x0d);
      this.#bytes.push(byte);
      if (byte === 0x0a || this.#bytes.length >= TEXT_CHUNK_BYTES) this.flush();
    }
    if (this.#bytes.length) setImmediate(() => this.flush());
  }

  flush() {
    if (this.#bytes.length) send(TEXT, 0, Buffer.from(this.#bytes.splice(0)));
  }
}

class Uart {
  constructor(number, tell) {
    this.number = number;
    this.tell = tell;
    this.setup = 0; // counts: what the world says of an earlier set-up no longer counts
    this.settings = null;
    this.received = Buffer.alloc(0);
    this.unsent = 0;
  }

  open(settings) {
    this.setup += 1;
    this.settings = settings;
    this.received = Buffer.alloc(0);
    this.unsent = 0;
    const { tx_bytes, ...told } = settings;
    send(UART_CONFIG, this.number, Buffer.from(JSON.stringify({ ...told, setup: this.setup })));
    this.tell(EVENT_WRITABLE, this.number);
  }

  frame(kind, payload) {
    if (kind === UART_RX) this.#arrived(payload);
    else if (kind === UART_SENT && payload.readUInt32LE(4) === this.setup) {
      this.unsent = Math.max(0, this.unsent - payload.readUInt32LE(0));
      this.tell(EVENT_WRITABLE, this.number);
    } else if (kind === UART_BREAK) this.tell(EVENT_BREAK, this.number);
  }

  read(count) {
    const data = this.received.subarray(0, count);
    this.received = this.received.subarray(data.length);
    if (data.length) this.#taken(data.length);
    return data;
  }

  write(data) {
    const piece = data.subarray(0, this.room());
    if (piece.length) {
      this.unsent += piece.length;
      send(UART_TX, this.number, piece);
    }
    return piece.length;
  }

  room() {
    return this.settings?.baud ? Math.max(0, this.settings.tx_bytes - this.unsent) : 0;
  }

  #arrived(data) {
    const room = this.settings?.baud ? this.settings.rx_bytes - this.received.length : 0;
    const kept = data.subarray(0, Math.max(room, 0));
    this.received = Buffer.concat([this.received, kept]);
    if (kept.length < data.length) this.#taken(data.length - kept.length); // lost, as on a chip whose ring is full
    if (kept.length) this.tell(EVENT_READABLE, this.number);
  }

  #taken(count) {
    send(UART_TAKEN, this.number, integers([4, count], [4, this.setup]));
  }
}

// The timers of machine.py: by number, the time they are due, and for periodic ones the period.
class Timers {
  #due = new Map();
  #alarm = null;

  constructor(tell) {
    this.tell = tell;
  }

  start(number, ms, periodic) {
    this.#due.set(number, { at: performance.now() + ms, ms: periodic ? ms : 0 });
    this.#arm();
  }

  stop(number) {
    this.#due.delete(number);
  }

  fire() {
    const now = performance.now();
    for (const [number, timer] of [...this.#due]) {
      if (timer.at > now || this.#due.get(number) !== timer) continue;
      // After a halt of the host the program gets its turn first, or it would be judged by time that it never had.
      timer.spared = timer.ms > 0 && now - timer.at > HELD_UP_MS && !timer.spared;
      if (timer.ms) timer.at = timer.spared ? now + timer.ms : Math.max(timer.at + timer.ms, now);
      else this.#due.delete(number);
      if (timer.spared) continue;
      this.tell(EVENT_TIMER, number);
    }
    this.#arm();
  }

  #arm() {
    clearTimeout(this.#alarm);
    const next = Math.min(...[...this.#due.values()].map((timer) => timer.at));
    if (next < Infinity) this.#alarm = setTimeout(() => this.fire(), Math.max(0, Math.ceil(next - performance.now())));
  }
}

class Chip {
  #reader = new FrameReader();
  #interrupted = false;
  #hung = false;
  #masked = false; // interrupts are switched off by the program
  #listener = null;
  #pins = new Map(); // levels driven from outside
  #started = performance.now();
  #uarts = [0, 1, 2, 3].map((number) => new Uart(number, (kind, number) => this.#tell(kind, number)));
  #timers = new Timers((kind, number) => this.#tell(kind, number));

  constructor(port) {
    this.port = port;
    this.powered = new Promise((resolve) => (this.onPower = resolve));
    port.on("message", (data) => this.#take(data));
  }

  startClock() {
    this.#started = performance.now();
  }

  // What MicroPython gets as the module `_chip`.
  module() {
    const uart = (number) => this.#uarts[number];
    return {
      listen: (listener) => void (this.#listener = listener),
      cause: () => this.cause,
      unique_id: () => this.boot.unique_id,
      rtc: () => this.boot.rtc,
      set_rtc: (hex) => send(RTC, 0, Buffer.from(hex, "hex")),
      random: (count) => randomBytes(count).toString("hex"),
      ticks_ms: () => this.#looked(() => Math.floor(this.boot.ticks_ms + this.#microseconds() / 1000) & TICKS_MASK),
      ticks_us: () => this.#looked(() => Math.floor((this.boot.ticks_ms * 1000 + this.#microseconds()) % 2 ** 30)),
      wait_ms: (ms) => this.#wait(ms),
      pin_mode: (pin, mode, pull) => send(PIN_MODE, pin, Buffer.from([mode, pull])),
      pin_out: (pin, level) => this.#acted(() => this.#pinOut(pin, level)),
      pin_in: (pin) => this.#acted(() => this.#pins.get(pin) ?? -1),
      pwm: (pin, duty, hertz) => send(PWM_OUT, pin, integers([2, duty], [4, hertz])),
      uart_open: (number, settings) => uart(number).open(JSON.parse(settings)),
      uart_any: (number) => this.#looked(() => uart(number).received.length),
      uart_line_bytes: (number) => uart(number).received.indexOf("\n") + 1,
      uart_read: (number, count) => uart(number).read(count).toString("hex"),
      uart_room: (number) => this.#looked(() => uart(number).room()),
      uart_unsent: (number) => this.#looked(() => uart(number).unsent),
      uart_write: (number, hex) => this.#acted(() => uart(number).write(Buffer.from(hex, "hex"))),
      mask: (on) => this.#mask(on),
      timer_start: (number, ms, periodic) => this.#timers.start(number, ms, periodic),
      timer_stop: (number) => this.#timers.stop(number),
      wdt_start: (ms) => send(WDT_START, 0, integers([4, ms])),
      wdt_feed: () => send(WDT_FEED),
      reset: (cause) => this.#reset(cause),
    };
  }

  #microseconds() {
    return Math.floor((performance.now() - this.#started) * 1000);
  }

  #pinOut(pin, level) {
    send(PIN_OUT, pin, integers([1, level], [8, this.#microseconds()]));
  }

  #reset(cause) {
    send(RESET, cause);
    for (;;) pause(1000); // the world ends this process
  }

  #wait(ms) {
    const end = performance.now() + ms;
    do {
      pause(Math.max(0, Math.min(SLICE_MS, end - performance.now())));
      this.#interrupt();
    } while (performance.now() < end);
  }

  #mask(on) {
    this.#masked = on;
    this.#interrupt();
  }

  // The program looks at the chip: what is due happens first.
  #looked(action) {
    this.#interrupt();
    return action();
  }

  // The program does something: here it stands still while it is made to hang; interrupts go on.
  #acted(action) {
    this.#interrupt();
    while (this.#hung && !this.#interrupted) this.#wait(SLICE_MS);
    return action();
  }

  #interrupt() {
    if (this.#interrupted || this.#masked) return;
    for (let message; (message = receiveMessageOnPort(this.port)); ) this.#take(message.message);
    this.#timers.fire();
  }

  #tell(kind, number) {
    if (!this.#listener) return;
    const outer = this.#interrupted;
    this.#interrupted = true;
    try {
      this.#listener(kind, number);
    } finally {
      this.#interrupted = outer;
    }
  }

  #take(data) {
    for (const { kind, number, payload } of this.#reader.feed(data)) {
      if (kind === BOOT) this.#power(number, JSON.parse(payload));
      else if (kind === PIN_IN) this.#pinIn(number, payload[0]);
      else if (kind === HANG) this.#hung = number !== 0;
      else if (kind === UART_RX || kind === UART_SENT || kind === UART_BREAK) this.#uarts[number]?.frame(kind, payload);
      else throw new Error(`frame of unknown kind ${kind}`);
    }
  }

  #power(cause, boot) {
    this.cause = cause;
    this.boot = boot;
    for (const [pin, level] of Object.entries(boot.pins)) this.#pins.set(Number(pin), level);
    this.onPower();
  }

  #pinIn(pin, level) {
    this.#pins.set(pin, level);
    this.#tell(EVENT_PIN, pin);
  }
}

// Copy a folder of this machine into MicroPython's own file system.
function layFlash(files, source, target) {
  files.mkdir(target);
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), `${target}/${entry.name}`];
    if (entry.isDirectory()) layFlash(files, from, to);
    else files.writeFile(to, readFileSync(from));
  }
}

// A chip that hears nothing any more must not look alive; the reading thread would hold an ordinary exit.
function die(error) {
  process.stderr.write(`the chip process failed: ${error?.stack ?? error}\n`);
  process.kill(process.pid, "SIGKILL");
}

async function main(module, flash) {
  process.on("uncaughtException", die);
  const { port1, port2 } = new MessageChannel();
  const chip = new Chip(port1);
  new Worker(fileURLToPath(import.meta.url), { workerData: { port: port2 }, transferList: [port2] });
  const { loadMicroPython } = await import(pathToFileURL(module));
  const text = new Text();
  const print = (bytes) => text.write(bytes);
  const micropython = await loadMicroPython({ stdout: print, stderr: print, linebuffer: false });
  await chip.powered;
  layFlash(micropython.FS, flash, "/flash");
  const here = dirname(fileURLToPath(import.meta.url));
  micropython.FS.mkdir("/lib");
  for (const name of ["machine.py", "start.py"]) micropython.FS.writeFile(`/lib/${name}`, readFileSync(join(here, name)));
  micropython.registerJsModule("_chip", chip.module());
  chip.startClock();
  await micropython.runPythonAsync("import start");
}

if (isMainThread) await main(process.argv[2], process.argv[3]).catch(die);
else readEdge(workerData.port);
