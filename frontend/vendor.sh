#!/bin/sh
# Copies the locked browser libraries into finops_platform/static. Run it after changing
# package.json; the results are committed, so nothing of this is needed to run the platform.
#
# Needs node 20, npm and the project's virtual environment (fontTools makes the PDF fonts).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$here")
static="$root/finops_platform/static"
vendor="$static/vendor"
python="${PYTHON:-$root/.venv/bin/python}"

cd "$here"
npm ci --ignore-scripts --no-progress

rm -rf "$vendor"
mkdir -p "$vendor/tabler" "$vendor/htmx" "$vendor/echarts" "$vendor/icons" "$static/fonts"

# 1. Tabler (Bootstrap 5). Source maps stay behind, so the comment that names one goes too.
sed 's#/\*\# sourceMappingURL=.*\*/##' \
  node_modules/@tabler/core/dist/css/tabler.min.css > "$vendor/tabler/tabler.min.css"
sed 's#^//\# sourceMappingURL=.*##' \
  node_modules/@tabler/core/dist/js/tabler.min.js > "$vendor/tabler/tabler.min.js"
cp tabler-license.txt "$vendor/tabler/LICENSE"

# 2. htmx; base.html switches its eval and its injected style off.
cp node_modules/htmx.org/dist/htmx.min.js "$vendor/htmx/htmx.min.js"
cp node_modules/htmx.org/LICENSE "$vendor/htmx/LICENSE"

# 3. Apache ECharts, only the chart types of the console (see echarts.js).
node_modules/.bin/esbuild echarts.js --bundle --minify --format=iife --global-name=echarts \
  --target=es2020 --legal-comments=none --log-level=warning \
  --banner:js='/*! Apache ECharts, https://echarts.apache.org, Apache-2.0; see LICENSE and NOTICE */' \
  --outfile="$vendor/echarts/echarts.min.js"
cp node_modules/echarts/LICENSE node_modules/echarts/NOTICE "$vendor/echarts/"
cp node_modules/zrender/LICENSE "$vendor/echarts/LICENSE-zrender"
cp node_modules/echarts/licenses/LICENSE-d3 "$vendor/echarts/LICENSE-d3"

# 4. The icons that icons.txt names, as one sprite.
node sprite.mjs icons.txt node_modules/@tabler/icons/icons/outline > "$vendor/icons/sprite.svg"
cp node_modules/@tabler/icons/LICENSE "$vendor/icons/LICENSE"

# 5. Inter: variable woff2 for screens, static TrueType for PDFs.
cp node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2 \
   node_modules/@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2 \
   "$static/fonts/"
cp node_modules/inter-ui/LICENSE.txt "$static/fonts/LICENSE-Inter.txt"
"$python" fonts.py node_modules/inter-ui/web "$static/fonts"

node versions.mjs > "$vendor/VERSIONS.txt"
