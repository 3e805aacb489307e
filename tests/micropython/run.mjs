// Runs a folder's main.py on MicroPython: node run.mjs MICROPYTHON_MODULE FOLDER. What it prints is the output; an
// exception is the end, with exit code 1.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

function lay(files, source, target) {
  files.mkdir(target);
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), `${target}/${entry.name}`];
    if (entry.isDirectory()) lay(files, from, to);
    else files.writeFile(to, readFileSync(from));
  }
}

const [module, folder] = process.argv.slice(2);
const { loadMicroPython } = await import(pathToFileURL(module));
const micropython = await loadMicroPython({ stdout: (line) => process.stdout.write(`${line}\n`) });
lay(micropython.FS, folder, "/test");
try {
  micropython.runPython('import os; os.chdir("/test"); import main');
} catch (error) {
  process.stderr.write(`${error}\n`);
  process.exitCode = 1;
}
