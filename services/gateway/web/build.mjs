// Builds the page into dist/: names carry a hash of what is in them, so they may be cached for ever.
// `--watch` builds again at every change.

import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import path from "node:path";
import { build, context } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const source = path.join(here, "src");
const target = path.join(here, "dist");

const options = {
  entryPoints: { page: path.join(source, "main.ts"), style: path.join(source, "style/page.css") },
  bundle: true,
  format: "esm",
  // The table comes first; each view is a file of its own, fetched when it is gone to.
  splitting: true,
  target: "es2022",
  minify: true,
  sourcemap: "linked",
  banner: { js: "/* Licences of what is in here: /assets/uplot-LICENSE.txt, /assets/lightweight-charts-LICENSE.txt */" },
  outdir: path.join(target, "assets"),
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  metafile: true,
  logLevel: "warning",
  plugins: [{ name: "index", setup: (builder) => builder.onEnd(writeIndex) }],
};

async function writeIndex(result) {
  if (result.errors.length > 0) return;
  const outputs = Object.keys(result.metafile.outputs).map((output) => path.basename(output));
  const built = (pattern) => {
    const name = outputs.find((output) => pattern.test(output));
    if (!name) throw new Error(`expected an output like ${pattern}, were ${outputs.join(", ")}`);
    return `/assets/${name}`;
  };
  const logo = await readFile(path.join(source, "logo.svg"));
  const logoName = `logo-${createHash("sha256").update(logo).digest("hex").slice(0, 8)}.svg`;
  await mkdir(path.join(target, "assets"), { recursive: true });
  await writeFile(path.join(target, "assets", logoName), logo);
  for (const contained of ["uplot", "lightweight-charts"]) {
    const licence = await readFile(path.join(here, "node_modules", contained, "LICENSE"));
    await writeFile(path.join(target, `assets/${contained}-LICENSE.txt`), licence);
  }
  const index = (await readFile(path.join(source, "index.html"), "utf8"))
    .replaceAll("{{logo}}", `/assets/${logoName}`)
    .replaceAll("{{style}}", built(/^style-.*\.css$/))
    .replaceAll("{{script}}", built(/^page-.*\.js$/));
  // Last, so that an index never names what is not there yet.
  await writeFile(path.join(target, "index.html"), index);
}

await rm(target, { recursive: true, force: true });
if (process.argv.includes("--watch")) {
  const watching = await context(options);
  await watching.watch();
} else {
  await build(options);
}
