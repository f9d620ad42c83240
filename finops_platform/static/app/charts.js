// Draws the charts that pages describe as JSON (apps/core/web/charts.py) with Apache ECharts.
// Figures stay strings until they are drawn; tooltips show them exactly.
window.consoleCharts = (() => {
  "use strict";
  const root = document.documentElement;
  const OTHER = 7;
  const UNOWNED = 8;

  // ------------------------------------------------------------------------------ look and words
  function look() {
    const style = getComputedStyle(root);
    const canvas = document.createElement("canvas").getContext("2d");
    const probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
    const color = (name) => {
      probe.style.color = `var(${name})`;
      canvas.fillStyle = getComputedStyle(probe).color;
      return canvas.fillStyle;
    };
    const found = {
      ink: color("--ink"),
      ink2: color("--ink-2"),
      ink3: color("--ink-3"),
      line: color("--line"),
      surface: color("--surface"),
      surface3: color("--surface-3"),
      accent: color("--accent"),
      good: color("--good"),
      bad: color("--bad"),
      owners: Array.from({ length: 9 }, (_, slot) => color(`--owner-${slot}`)),
      font: style.getPropertyValue("--tblr-font-sans-serif").trim(),
    };
    probe.remove();
    return found;
  }

  function words(spec) {
    const locale = root.dataset.locale || "en-US";
    const digits = spec.currency
      ? new Intl.NumberFormat(locale, { style: "currency", currency: spec.currency }).resolvedOptions()
          .maximumFractionDigits
      : 0;
    const full = new Intl.NumberFormat(locale, {
      minimumFractionDigits: digits,
      maximumFractionDigits: spec.currency ? digits : 6,
    });
    const short = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
    const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
    const small = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
    const unit = spec.unit ? `\u00a0${spec.unit}` : "";
    const code = spec.currency ? `${spec.currency}\u00a0` : "";
    return {
      exact: (value) => (value === null || value === undefined ? "–" : `${code}${full.format(value)}${unit}`),
      axis: (value) => {
        const parts = short.formatToParts(value);
        if (parts.some((part) => part.type === "compact")) return short.format(value);
        return (Math.abs(value) < 100 ? small : whole).format(value);
      },
      axisName: spec.currency || spec.unit,
    };
  }

  // ------------------------------------------------------------------------------------ tooltips
  function element(tag, css, text) {
    const made = document.createElement(tag);
    if (css) made.className = css;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function tip(head, rows, hint) {
    const box = element("div", "tip");
    box.append(element("div", "tip-head", head));
    for (const { slot, color, label, value, total } of rows) {
      const row = element("div", `tip-row${total ? " tip-total" : ""}`);
      const dot = element("span", slot === undefined ? "owner-dot" : `owner-dot owner-${slot}`);
      if (color) dot.style.background = color;
      row.append(dot, element("span", "", label), element("strong", "", value));
      box.append(row);
    }
    if (hint) box.append(element("div", "tip-hint", hint));
    return box;
  }

  const hintOf = (url) => (url ? "Click to see what is behind it" : "");

  // --------------------------------------------------------------------------------------- parts
  function paint(theme, slot) {
    const color = theme.owners[slot];
    if (slot !== UNOWNED) return { color, borderColor: theme.surface, borderWidth: 0.75 };
    return {
      color: theme.surface3,
      borderColor: color,
      borderWidth: 1,
      decal: { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 4], rotation: -0.785, color },
    };
  }

  function base(theme) {
    return {
      animationDuration: 300,
      animation: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
      textStyle: { fontFamily: theme.font, color: theme.ink2 },
      tooltip: {
        confine: true,
        backgroundColor: theme.surface,
        borderColor: theme.line,
        padding: [8, 12],
        textStyle: { color: theme.ink, fontSize: 13 },
        extraCssText: "box-shadow: 0 8px 24px rgb(10 14 22 / 18%); border-radius: 8px;",
      },
    };
  }

  function axes(theme, text, spec, narrow) {
    return {
      grid: { left: 12, right: 16, top: 34, bottom: 8, containLabel: true },
      xAxis: {
        type: "category",
        data: spec.categories,
        axisLine: { lineStyle: { color: theme.line } },
        axisTick: { show: false },
        axisLabel: { color: theme.ink3, hideOverlap: true, fontSize: narrow ? 11 : 12 },
      },
      yAxis: {
        type: "value",
        name: text.axisName,
        nameTextStyle: { color: theme.ink3, align: "left", padding: [0, 0, 0, -4] },
        nameGap: 14,
        axisLabel: { color: theme.ink3, formatter: text.axis },
        splitLine: { lineStyle: { color: theme.line } },
      },
    };
  }

  function legend(theme, names) {
    return {
      type: "plain",
      bottom: 0,
      left: 8,
      icon: "roundRect",
      itemWidth: 11,
      itemHeight: 11,
      itemGap: 14,
      textStyle: { color: theme.ink2, fontSize: 12 },
      inactiveColor: theme.line,
      data: names,
    };
  }

  // Rows that a legend takes in so many pixels: names are about 7 wide a letter, 30 around each.
  function legendRows(names, width) {
    let rows = 1;
    let used = 0;
    for (const name of names) {
      const wanted = 30 + 7 * name.length;
      if (used && used + wanted > width) {
        rows += 1;
        used = 0;
      }
      used += wanted;
    }
    return rows;
  }

  // --------------------------------------------------------------------------------------- kinds
  function trend(spec, theme, text, narrow) {
    const lines = spec.kind === "line" || spec.kind === "steps";
    const columns = spec.kind === "columns" || spec.kind === "groups";
    const stacked = !lines && spec.kind !== "groups";
    const rows = legendRows(spec.series.map((one) => one.name), narrow ? 270 : 560);
    const framed = axes(theme, text, spec, narrow);
    framed.grid.bottom = 14 + rows * 22;
    const drawn = spec.series.map((one, at) => ({
      name: one.name,
      type: columns ? "bar" : "line",
      stack: stacked ? "all" : undefined,
      data: one.values.map((value) => (value === null ? null : Number(value))),
      itemStyle: paint(theme, one.slot),
      lineStyle: { color: theme.owners[one.slot], width: 2, type: LINES[at % LINES.length] },
      areaStyle: spec.kind === "area" ? { color: theme.owners[one.slot], opacity: 0.75 } : undefined,
      step: spec.kind === "steps" ? "end" : undefined,
      symbol: lines ? SYMBOLS[at % SYMBOLS.length] : "none",
      symbolSize: 5,
      barMaxWidth: 44,
      barCategoryGap: "32%",
      emphasis: { focus: "series" },
    }));
    if (spec.kind === "area") for (const one of drawn) one.lineStyle.type = "solid";
    return {
      ...base(theme),
      ...framed,
      legend: legend(theme, spec.series.map((one) => one.name)),
      series: drawn,
      tooltip: {
        ...base(theme).tooltip,
        trigger: "axis",
        axisPointer: { type: columns ? "shadow" : "line" },
        formatter: (points) => trendTip(spec, text, points[0].dataIndex, stacked),
      },
    };
  }

  const LINES = ["solid", "dashed", "dotted"];
  const SYMBOLS = ["circle", "rect", "triangle", "diamond"];

  function trendTip(spec, text, at, stacked) {
    const rows = spec.series
      .map((one) => ({ slot: one.slot, label: one.name, raw: one.values[at], value: text.exact(one.values[at]) }))
      .reverse();
    if (stacked && rows.length > 1) {
      rows.push({ label: "Total", total: true, value: text.exact(sum(rows.map((row) => row.raw))) });
    }
    return tip(spec.categories[at], rows, hintOf(spec.series.some((one) => one.urls[at])));
  }

  // Adds decimal strings exactly, as integers of their longest fraction.
  function sum(values) {
    const known = values.filter((value) => value !== null && value !== undefined);
    const places = Math.max(0, ...known.map((value) => (value.split(".")[1] || "").length));
    let total = 0n;
    for (const value of known) {
      const [whole, fraction = ""] = value.split(".");
      total += BigInt(whole + fraction.padEnd(places, "0"));
    }
    const digits = (total < 0n ? -total : total).toString().padStart(places + 1, "0");
    const cut = digits.length - places;
    return `${total < 0n ? "-" : ""}${digits.slice(0, cut)}${places ? `.${digits.slice(cut)}` : ""}`;
  }

  function bars(spec, theme, text, narrow) {
    const shown = [...spec.nodes].reverse();
    return {
      ...base(theme),
      grid: { left: 12, right: narrow ? 68 : 96, top: 8, bottom: 26, containLabel: true },
      xAxis: {
        type: "value",
        name: text.axisName,
        nameLocation: "middle",
        nameGap: 26,
        nameTextStyle: { color: theme.ink3 },
        axisLabel: { color: theme.ink3, formatter: text.axis, hideOverlap: true },
        splitLine: { lineStyle: { color: theme.line } },
      },
      yAxis: {
        type: "category",
        data: shown.map((node) => node.name),
        axisLine: { show: false },
        axisTick: { show: false },
        axisLabel: { color: theme.ink2, width: narrow ? 90 : 150, overflow: "truncate", fontSize: 13 },
      },
      series: [
        {
          type: "bar",
          barMaxWidth: 22,
          data: shown.map((node) => ({
            value: Number(node.value),
            itemStyle: { ...paint(theme, node.slot), borderRadius: [0, 3, 3, 0] },
          })),
          label: {
            show: true,
            position: "right",
            color: theme.ink2,
            formatter: ({ dataIndex }) => text.axis(shown[dataIndex].value),
          },
        },
      ],
      tooltip: {
        ...base(theme).tooltip,
        trigger: "item",
        formatter: ({ dataIndex }) => {
          const node = shown[dataIndex];
          return tip(node.name, [{ slot: node.slot, label: "", value: text.exact(node.value) }], hintOf(node.url));
        },
      },
    };
  }

  function treemap(spec, theme, text) {
    const total = sum(spec.nodes.map((node) => node.value));
    const tile = (node, slot) => ({
      name: node.name,
      value: Number(node.value),
      raw: node.value,
      slot,
      url: node.url,
      itemStyle: slot === UNOWNED ? { color: theme.owners[OTHER] } : { color: theme.owners[slot] },
      label: { color: inkOn(theme.owners[slot === UNOWNED ? OTHER : slot]) },
      upperLabel: { color: inkOn(theme.owners[slot === UNOWNED ? OTHER : slot]) },
      children: node.children?.length ? node.children.map((part) => tile(part, slot)) : undefined,
    });
    const deep = spec.nodes.some((node) => node.children.length);
    return {
      ...base(theme),
      tooltip: {
        ...base(theme).tooltip,
        formatter: ({ data, treePathInfo }) => {
          if (!data.raw) return "";
          const path = treePathInfo.map((step) => step.name).filter(Boolean).join(" / ");
          const share = Number(data.raw) / Number(total);
          const part = new Intl.NumberFormat(root.dataset.locale, { style: "percent", maximumFractionDigits: 1 });
          return tip(
            path,
            [
              { slot: data.slot, label: "", value: text.exact(data.raw) },
              { label: "of the whole", value: part.format(share) },
            ],
            hintOf(data.url),
          );
        },
      },
      series: [
        {
          type: "treemap",
          data: spec.nodes.map((node) => tile(node, node.slot)),
          roam: false,
          nodeClick: false,
          breadcrumb: { show: false },
          left: 10,
          right: 10,
          top: 10,
          bottom: 6,
          label: {
            fontSize: 13,
            lineHeight: 18,
            padding: 6,
            position: "insideTopLeft",
            formatter: ({ data, name }) => `${name}\n${text.axis(data.raw)}`,
          },
          upperLabel: {
            show: deep,
            height: 26,
            lineHeight: 26,
            fontSize: 13,
            fontWeight: 600,
            padding: [0, 6],
            formatter: ({ data, name }) => `${name}  ${text.axis(data.raw)}`,
          },
          levels: [
            { itemStyle: { borderColor: theme.surface, borderWidth: 0, gapWidth: 3 }, upperLabel: { show: false } },
            { itemStyle: { borderWidth: 0, gapWidth: 2, borderColorSaturation: 0.6 } },
            { itemStyle: { borderWidth: 0, gapWidth: 2 } },
          ],
        },
      ],
    };
  }

  // Returns the ink, black or white, that reads better on a color.
  function inkOn(color) {
    const [red, green, blue] = color
      .match(/[\da-f]{2}/gi)
      .map((part) => parseInt(part, 16) / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    return (light + 0.05) ** 2 > 0.05 * 1.05 ? "#0d1220" : "#ffffff";
  }

  function sankey(spec, theme, text, narrow) {
    const slots = new Map(spec.nodes.map((node) => [node.name, node.slot]));
    const sources = new Set(spec.links.map((link) => link.source));
    return {
      ...base(theme),
      tooltip: {
        ...base(theme).tooltip,
        trigger: "item",
        formatter: ({ dataType, data, name }) => {
          if (dataType === "edge") {
            return tip(
              `${data.source} to ${data.target}`,
              [{ slot: slots.get(data.target), label: "", value: text.exact(data.raw) }],
              hintOf(data.url),
            );
          }
          const out = spec.links.filter((link) => link.source === name);
          const into = spec.links.filter((link) => link.target === name);
          const rows = [];
          if (into.length) rows.push({ label: "receives", value: text.exact(sum(into.map((link) => link.value))) });
          if (out.length) rows.push({ label: "passes on", value: text.exact(sum(out.map((link) => link.value))) });
          return tip(name, rows);
        },
      },
      series: [
        {
          type: "sankey",
          left: 14,
          right: narrow ? 96 : 150,
          top: 14,
          bottom: 14,
          nodeWidth: 12,
          nodeGap: 12,
          draggable: false,
          emphasis: { focus: "adjacency" },
          data: spec.nodes.map((node) => ({
            name: node.name,
            itemStyle: paint(theme, node.slot),
          })),
          links: spec.links.map((link) => ({
            source: link.source,
            target: link.target,
            value: Number(link.value),
            raw: link.value,
            url: link.url,
            lineStyle: {
              color: theme.owners[sources.has(link.target) ? slots.get(link.source) : slots.get(link.target)],
              opacity: 0.34,
              curveness: 0.5,
            },
          })),
          label: { color: theme.ink, fontSize: narrow ? 11 : 13, width: narrow ? 88 : 140, overflow: "truncate" },
        },
      ],
    };
  }

  function waterfall(spec, theme, text, narrow, width) {
    let level = 0;
    const steps = spec.nodes.map((node) => {
      const value = Number(node.value);
      const from = node.total ? 0 : level;
      level = node.total ? value : level + value;
      return { from: Math.min(from, level), height: Math.abs(level - from), rises: value >= 0, node };
    });
    const tone = (step) => (step.node.total ? theme.accent : step.rises ? theme.owners[2] : theme.owners[1]);
    const sign = (node) => (node.total || node.value.startsWith("-") ? "" : "+");
    const framed = axes(theme, text, { categories: spec.nodes.map((node) => node.name) }, narrow);
    const floor = floorOf(steps);
    if (floor > 0) {
      framed.yAxis.min = floor;
      framed.yAxis.name = `${text.axisName}, axis starts at ${text.axis(floor)}`;
    }
    const room = (width - 90) / spec.nodes.length;
    const tight = Math.max(...spec.nodes.map((node) => node.name.length)) * 6.8 > room;
    framed.xAxis.axisLabel = {
      ...framed.xAxis.axisLabel,
      interval: 0,
      hideOverlap: false,
      rotate: tight ? 35 : 0,
      width: tight ? 96 : undefined,
      overflow: tight ? "truncate" : undefined,
    };
    return {
      ...base(theme),
      ...framed,
      series: [
        { type: "bar", stack: "all", silent: true, itemStyle: { color: "transparent" }, data: steps.map((step) => step.from) },
        {
          type: "bar",
          stack: "all",
          barMaxWidth: 56,
          data: steps.map((step) => ({ value: step.height, itemStyle: { color: tone(step), borderRadius: 2 } })),
          label: {
            show: true,
            position: "top",
            color: theme.ink2,
            formatter: ({ dataIndex }) =>
              sign(steps[dataIndex].node) + text.axis(spec.nodes[dataIndex].value),
          },
        },
      ],
      tooltip: {
        ...base(theme).tooltip,
        trigger: "item",
        formatter: ({ dataIndex }) => {
          const { node, rises } = steps[dataIndex];
          const label = node.total ? "total" : rises ? "more" : "less";
          return tip(node.name, [{ color: tone(steps[dataIndex]), label, value: text.exact(node.value) }], hintOf(node.url));
        },
      },
    };
  }

  // Returns where a waterfall's axis starts: near the smallest level when zero would flatten it.
  function floorOf(steps) {
    const tops = steps.map((step) => step.from + step.height);
    const lowest = Math.min(...steps.map((step) => (step.node.total ? step.from + step.height : step.from)));
    const spread = Math.max(...tops) - lowest;
    if (lowest <= 0 || spread > lowest / 2) return 0;
    const unit = 10 ** Math.floor(Math.log10(spread));
    return Math.max(0, Math.floor((lowest - spread / 2) / unit) * unit);
  }

  function burn(spec, theme, text, narrow) {
    const numbers = (values) => values.map((value) => (value === null ? null : Number(value)));
    const framed = axes(theme, text, spec, narrow);
    framed.grid.bottom = 38;
    const line = (name, values, color, type) => ({
      name,
      type: "line",
      data: numbers(values),
      symbol: "none",
      itemStyle: { color },
      lineStyle: { color, width: 2.5, type },
    });
    const low = numbers(spec.low);
    const wide = numbers(spec.high).map((value, at) => (value === null || low[at] === null ? null : value - low[at]));
    const band = (data, opacity) => ({
      type: "line",
      stack: "band",
      data,
      symbol: "none",
      silent: true,
      lineStyle: { opacity: 0 },
      areaStyle: { color: theme.owners[0], opacity },
    });
    const drawn = [
      line(spec.labels.actual, spec.actual, theme.owners[0], "solid"),
      line(spec.labels.forecast, spec.forecast, theme.owners[0], "dashed"),
      line(spec.labels.limit, spec.categories.map(() => spec.limit), theme.bad, "dotted"),
    ].filter((one) => one.data.length);
    const rowsAt = (at) =>
      [
        { color: theme.owners[0], label: spec.labels.actual, raw: spec.actual[at] },
        { color: theme.owners[0], label: spec.labels.forecast, raw: spec.forecast[at] },
        { label: "Low", raw: spec.low[at] },
        { label: "High", raw: spec.high[at] },
        { color: theme.bad, label: spec.labels.limit, raw: spec.limit },
      ]
        .filter((row) => row.raw !== null && row.raw !== undefined)
        .map((row) => ({ ...row, value: text.exact(row.raw) }));
    return {
      ...base(theme),
      ...framed,
      legend: { ...legend(theme, drawn.map((one) => one.name)), icon: undefined, itemWidth: 24, itemStyle: { opacity: 0 } },
      series: [...(wide.length ? [band(low, 0), band(wide, 0.16)] : []), ...drawn],
      tooltip: {
        ...base(theme).tooltip,
        trigger: "axis",
        formatter: (points) => tip(spec.categories[points[0].dataIndex], rowsAt(points[0].dataIndex)),
      },
    };
  }

  const KINDS = { columns: trend, groups: trend, area: trend, line: trend, steps: trend, bars, treemap, sankey, waterfall, burn };

  // --------------------------------------------------------------------------------- drill-down
  function urlOf(spec, event) {
    if (event.dataType === "edge" || spec.kind === "treemap") return event.data.url;
    if (spec.series) return spec.series[event.seriesIndex]?.urls[event.dataIndex];
    if (spec.kind === "bars") return spec.nodes[spec.nodes.length - 1 - event.dataIndex].url;
    return spec.nodes?.[event.dataIndex]?.url;
  }

  function hasUrls(spec) {
    const parts = [...(spec.nodes || []), ...(spec.links || [])];
    const inner = parts.flatMap((part) => [part, ...(part.children || [])]);
    return inner.some((part) => part.url) || (spec.series || []).some((one) => one.urls.some(Boolean));
  }

  // ------------------------------------------------------------------------------------- drawing
  const drawn = new Map();
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const chart = drawn.get(target);
      if (!chart) continue;
      chart.picture.resize();
      if (chart.narrow !== isNarrow(target) || chart.spec.kind === "waterfall") render(target);
    }
  });

  const isNarrow = (holder) => holder.clientWidth < 420;

  function render(holder) {
    const chart = drawn.get(holder);
    chart.narrow = isNarrow(holder);
    const option = KINDS[chart.spec.kind](chart.spec, look(), words(chart.spec), chart.narrow, holder.clientWidth);
    chart.picture.setOption(option, { notMerge: true });
  }

  function start(holder) {
    const spec = JSON.parse(document.getElementById(holder.dataset.chart).textContent);
    const picture = window.echarts.init(holder, null, { renderer: "svg" });
    drawn.set(holder, { spec, picture, narrow: false });
    render(holder);
    if (hasUrls(spec)) {
      holder.classList.add("clickable");
      picture.on("click", (event) => {
        const url = urlOf(spec, event);
        if (url) location.assign(url);
      });
    }
    resized.observe(holder);
  }

  function forget() {
    for (const [holder, { picture }] of drawn) {
      if (holder.isConnected) continue;
      resized.unobserve(holder);
      picture.dispose();
      drawn.delete(holder);
    }
  }

  function draw(within) {
    forget();
    for (const holder of within.querySelectorAll("[data-chart]")) if (!drawn.has(holder)) start(holder);
  }

  root.addEventListener("themechange", () => drawn.forEach((_, holder) => render(holder)));
  window.addEventListener("beforeprint", () => drawn.forEach(({ picture }) => picture.resize()));
  return { draw };
})();
