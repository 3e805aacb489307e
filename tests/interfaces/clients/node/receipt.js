// A till in Node: asks whether the printer is there, prints a receipt, cuts, opens the drawer.
// Usage: node receipt.js HOST PORT; prints one line of JSON.
const { ThermalPrinter, PrinterTypes, CharacterSet } = require("node-thermal-printer");

async function main([host, port]) {
  const printer = new ThermalPrinter({
    type: PrinterTypes.EPSON,
    interface: `tcp://${host}:${port}`,
    characterSet: CharacterSet.PC852_LATIN2,
    options: { timeout: 5000 },
  });
  const connected = await printer.isPrinterConnected();
  printer.alignCenter();
  printer.bold(true);
  printer.println("NODE TILL");
  printer.bold(false);
  printer.leftRight("Coffee", "2.50");
  printer.printBarcode("12345");
  printer.printQR("https://example.org/r/1");
  printer.openCashDrawer();
  printer.cut();
  await printer.execute();
  console.log(JSON.stringify({ connected, bytes: printer.getBuffer() ? printer.getBuffer().toString("hex") : "" }));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
