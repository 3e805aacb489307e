// The shelf: things with barcodes. EAN numbers come from the range that shops number for themselves (20-29), so that no
// real product is meant.

import { svg } from "./dom.js";

/** The check digit of a GTIN's other digits (GS1: weights 3 and 1 from the right). */
export function checkDigit(digits) {
  const sum = [...digits].reverse().reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 3 : 1), 0);
  return String((10 - (sum % 10)) % 10);
}

const ean = (digits) => digits + checkDigit(digits);
const GROUP_SEPARATOR = "\u001d"; // FNC1 as scanners send it

// `receipt` holds the name as the printer gets it: ASCII, and GB18030 in hex. `price` is in cents.
export const PRODUCTS = [
  { name: "milk", data: ean("200000014101"), symbology: "]E0", price: 1290, receipt: ["Milk 1 l", "cfcac5a3c4cc203120c9fd"] }, // 鲜牛奶 1 升
  { name: "bread", data: ean("200000027202"), symbology: "]E0", price: 1850, receipt: ["Rye bread", "badac2f3c3e6b0fc"] }, // 黑麦面包
  { name: "tea", data: ean("200000033305"), symbology: "]E0", price: 3200, receipt: ["Green tea", "c2ccb2e8"] }, // 绿茶
  { name: "soap", data: ean("200000048408"), symbology: "]E0", price: 760, receipt: ["Hand soap", "cfb4cad6d4ed"] }, // 洗手皂
  { name: "smudged", data: "2000000141010", symbology: "]E0", hint: true },
  { name: "member", data: "https://shop.example/m/7K3Q-2041", symbology: "]Q1", hint: true },
  {
    name: "cheese",
    data: `01${ean("9200000055509")}3103000482${GROUP_SEPARATOR}10L26A`,
    symbology: "]C1",
    hint: true,
    price: 4338,
    receipt: ["Cheese 0.482 kg", "b3c6d6d8c4ccc0d220302e343832206b67"], // 称重奶酪 0.482 kg
  },
];

const LEFT_ODD = ["0001101", "0011001", "0010011", "0111101", "0100011", "0110001", "0101111", "0111011", "0110111", "0001011"];
const PARITY = ["OOOOOO", "OOEOEE", "OOEEOE", "OOEEEO", "OEOOEE", "OEEOOE", "OEEEOO", "OEOEOE", "OEOEEO", "OEEOEO"];
const inverted = (bits) => bits.replace(/[01]/g, (bit) => (bit === "0" ? "1" : "0"));
const reversed = (bits) => [...bits].reverse().join("");

/** The 95 modules of an EAN-13 symbol (ISO/IEC 15420), "1" is a bar. */
export function eanModules(data) {
  const digits = [...data].map(Number);
  const left = digits.slice(1, 7).map((digit, i) => {
    const odd = LEFT_ODD[digit];
    return PARITY[digits[0]][i] === "O" ? odd : reversed(inverted(odd));
  });
  const right = digits.slice(7).map((digit) => inverted(LEFT_ODD[digit]));
  return `101${left.join("")}01010${right.join("")}101`;
}

function barsPath(modules) {
  return [...modules.matchAll(/1+/g)].map((run) => `M${run.index} 0h${run[0].length}v30h-${run[0].length}z`).join("");
}

/** Bars for an EAN-13 that a real scanner can read off the screen. */
export function barcodePicture(data) {
  return svg(
    "svg",
    { class: "barcode", viewBox: "-9 -3 113 36", "aria-hidden": "true", preserveAspectRatio: "none" },
    svg("path", { d: barsPath(eanModules(data)) }),
  );
}

const PICTURES = {
  milk: ["M20 24l6-12h12l6 12v34H20z", "M20 24h24M26 12V6h12v6", "M26 40h12"],
  bread: ["M8 30c0-14 48-14 48 0 0 4-3 5-4 6v18H12V36c-1-1-4-2-4-6z", "M22 26l4 8M32 24l4 8M42 25l4 8"],
  tea: ["M10 26h36v14a14 14 0 0 1-14 14h-8a14 14 0 0 1-14-14z", "M46 30h4a6 6 0 0 1 0 12h-5", "M22 20c-3-4 3-6 0-11M34 20c-3-4 3-6 0-11"],
  soap: ["M8 34c0-8 48-8 48 0v10c0 8-48 8-48 0z", "M20 36c4-2 20-2 24 0", "M44 14a4 4 0 1 0 .1 0M52 22a3 3 0 1 0 .1 0M34 18a3 3 0 1 0 .1 0"],
  smudged: ["M8 14h48v36H8z", "M14 20v24M19 20v24M26 20v24M31 20v24M45 20v24M50 20v24", "M30 26c8 10 14-4 10 14"],
  member: ["M14 6h36v52H14z", "M21 14h8v8h-8zM35 14h8v8h-8zM21 28h8v8h-8z", "M35 28h3M43 28v3M35 34v3M40 35h3M22 46h20"],
  cheese: ["M6 36L44 14c8 2 14 10 14 22v16H6z", "M6 36h52", "M20 44a3 3 0 1 0 .1 0M40 42a4 4 0 1 0 .1 0"],
};

export function productPicture(name) {
  return svg(
    "svg",
    { class: `product product-${name}`, viewBox: "0 0 64 64", "aria-hidden": "true" },
    PICTURES[name].map((d, index) => svg("path", { d, class: index === 0 ? "pic-body" : "pic-ink" })),
  );
}
