// Prints what is vendored: name, version and licence.
import { readFileSync } from "node:fs";

const wanted = Object.keys(JSON.parse(readFileSync("package.json", "utf8")).dependencies);
for (const name of wanted) {
  const { version, license } = JSON.parse(
    readFileSync(`node_modules/${name}/package.json`, "utf8"),
  );
  console.log(`${name} ${version} (${license})`);
}
