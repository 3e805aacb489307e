// Receipts as ESC/POS bytes. Browsers can't encode GB18030, so the Chinese is here as bytes, each with its text.

const COLUMNS = 48; // Font A on 80 mm paper
const ESC = 0x1b;
const GS = 0x1d;
const LF = 0x0a;

const INITIALISE = [ESC, 0x40];
const LEFT = [ESC, 0x61, 0];
const CENTRE = [ESC, 0x61, 1];
const BOLD_ON = [ESC, 0x45, 1];
const BOLD_OFF = [ESC, 0x45, 0];
const DOUBLE = [GS, 0x21, 0x11];
const TALL = [GS, 0x21, 0x01];
const NORMAL = [GS, 0x21, 0x00];
const CHINESE_ON = [0x1c, 0x26]; // FS &
const FEED = [ESC, 0x64, 1];
const CUT = [GS, 0x56, 66, 0]; // feed to the cutter and cut

const ascii = (text) => [...text].map((character) => character.charCodeAt(0));
const hex = (digits) => digits.match(/../g).map((pair) => Number.parseInt(pair, 16));
const money = (cents) => ascii((cents / 100).toFixed(2));

/** Two ends of a line, `columns` wide. A GB18030 pair takes two columns, so bytes count columns. */
function spread(left, right, columns = COLUMNS) {
  return [...left, ...Array(Math.max(1, columns - left.length - right.length)).fill(0x20), ...right, LF];
}

const rule = () => [...ascii("-".repeat(COLUMNS)), LF];

/** EAN-13 of 12 digits; the printer adds the check digit. */
const ean13 = (data) => [
  ...[GS, 0x68, 60], // 60 dots high
  ...[GS, 0x77, 3],
  ...[GS, 0x48, 2], // digits below
  ...[GS, 0x6b, 67, 12],
  ...ascii(data),
];

const qr = (text) => {
  const data = ascii(text);
  const length = data.length + 3;
  return [
    ...[GS, 0x28, 0x6b, 4, 0, 49, 65, 50, 0], // model 2
    ...[GS, 0x28, 0x6b, 3, 0, 49, 67, 5], // 5 dots a module
    ...[GS, 0x28, 0x6b, 3, 0, 49, 69, 49], // level M
    ...[GS, 0x28, 0x6b, length & 0xff, length >> 8, 49, 80, 48],
    ...data,
    ...[GS, 0x28, 0x6b, 3, 0, 49, 81, 48], // print it
  ];
};

const WORDS = {
  en: {
    shop: ascii("GREENLEAF CORNER SHOP"),
    address: ascii("12 Sample Road, Springfield"),
    clerk: ascii("Clerk: Robin"),
    total: ascii("TOTAL"),
    cash: ascii("Cash"),
    change: ascii("Change"),
    thanks: ascii("Thank you, see you soon!"),
    keep: ascii("Returns within 7 days with this receipt"),
  },
  zh: {
    shop: hex("c7e0baccb1e3c0fbb5ea"), // 青禾便利店
    address: hex("c9cfbaa3cad0cabeb7b6c2b720313220bac5"), // 上海市示范路 12 号
    clerk: hex("cad5d2f8d4b1a3bad0a1c1d6"), // 收银员：小林
    total: hex("bacfbcc6"), // 合计
    cash: hex("d2d1b8b6cfd6bdf0"), // 已付现金
    change: hex("d5d2c1e3"), // 找零
    thanks: hex("d0bbd0bbbbddb9cba3acbbb6d3add4d9c0b4a3a1"), // 谢谢惠顾，欢迎再来！
    keep: hex("c6bed0a1c6b1c6dfc8d5c4dabfc9cdcbbbbb"), // 凭小票七日内可退换
  },
};

const two = (number) => String(number).padStart(2, "0");

function stamp(date) {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/**
 * A receipt for `items` ([{receipt: [ascii, gb18030 hex], price, count}]) in "en" or "zh", as bytes that end with a cut.
 * `number` goes into the barcode.
 */
export function receiptBytes(language, items, number, date = new Date()) {
  const words = WORDS[language];
  const total = items.reduce((sum, item) => sum + item.price * item.count, 0);
  const paid = Math.ceil(total / 1000) * 1000; // the next tenner
  const lines = items.map((item) => {
    const name = language === "zh" ? hex(item.receipt[1]) : ascii(item.receipt[0]);
    return spread([...ascii(`${item.count} x `), ...name], money(item.price * item.count));
  });
  return Uint8Array.from([
    ...INITIALISE,
    ...(language === "zh" ? CHINESE_ON : []),
    ...CENTRE, ...BOLD_ON, ...DOUBLE, ...words.shop, LF, ...NORMAL, ...BOLD_OFF,
    ...words.address, LF, ...FEED,
    ...LEFT, ...spread(words.clerk, ascii(stamp(date))),
    ...rule(),
    ...lines.flat(),
    ...rule(),
    ...BOLD_ON, ...TALL, ...spread(words.total, money(total)), ...NORMAL, ...BOLD_OFF,
    ...spread(words.cash, money(paid)),
    ...spread(words.change, money(paid - total)),
    ...FEED, ...CENTRE, ...ean13(`29${String(number % 1e10).padStart(10, "0")}`), LF,
    ...qr("https://shop.example/receipt"), LF,
    ...BOLD_ON, ...words.thanks, LF, ...BOLD_OFF, ...words.keep, LF,
    ...CUT,
  ]);
}
