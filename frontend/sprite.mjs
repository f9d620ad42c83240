// Prints one SVG sprite of the icons named in a list, one <symbol> each.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [list, folder] = process.argv.slice(2);
const names = readFileSync(list, "utf8").split(/\s+/).filter(Boolean);

const symbols = names.map((name) => {
  const svg = readFileSync(join(folder, `${name}.svg`), "utf8");
  const body = svg
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/[\s\S]*?<svg[^>]*>/, "")
    .replace("</svg>", "")
    .replace(/\s+/g, " ")
    .trim();
  return (
    `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" ` +
    `stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round">${body}</symbol>`
  );
});
console.log(`<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>`);
