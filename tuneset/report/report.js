"use strict";
// Draws the report's charts from the figures in the page. Every text is put in as text, never as markup; every figure
// stands in a table as well, so that the page is whole without this file. Loaded after echarts.min.js.
(() => {
  const { echarts } = window;
  const root = document.documentElement;
  const boards = [...document.querySelectorAll("[data-chart]")].map((node) => ({ node, chart: null }));
  const specs = JSON.parse(document.getElementById("data").textContent);
  const PRINTED = 640; // pixels across a printed page
  const SHAPES = ["circle", "triangle", "diamond", "rect"];
  const SLOTS = 9; // colours that can be told apart; what comes less often shares a grey

  const ink = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const faded = (colour, share) => colour + Math.round(255 * share).toString(16).padStart(2, "0"); // of a colour as #rrggbb
  const percent = (share) => `${Math.round(share * 1000) / 10} %`;
  const number = (value) => value.toLocaleString("en");
  const part = (tag, kind, ...inside) => {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    made.append(...inside);
    return made;
  };
  const words = (text) => {
    const made = part("bdi", "", text);
    made.dir = "auto";
    return made;
  };
  const tip = (title, ...lines) => part("div", "tip", part("strong", "", words(title)), ...lines.map((line) => part("div", "", line)));

  const common = (describe) => ({
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: ink("ink") },
    grid: { left: 0, right: 12, top: 8, bottom: 0, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    tooltip: {
      confine: true, formatter: describe, backgroundColor: ink("slip"), borderColor: ink("line"), transitionDuration: 0, padding: 10,
      textStyle: { color: ink("ink"), fontSize: 14 }, extraCssText: "max-width:22rem;white-space:normal;box-shadow:0 2px 10px rgb(0 0 0 / .15);border-radius:.4rem",
    },
  });
  const values = (more) => ({
    type: "value", axisLine: { show: false }, axisTick: { show: false }, splitNumber: 4, splitLine: { lineStyle: { color: ink("line") } },
    axisLabel: { color: ink("soft"), fontSize: 12, hideOverlap: true }, ...more,
  });
  const named = (names, width) => ({
    type: "category", data: names, inverse: true, axisTick: { show: false }, axisLine: { lineStyle: { color: ink("line") } },
    axisLabel: { color: ink("ink"), fontSize: 12, interval: 0, width, overflow: "truncate" },
  });
  const narrow = (width) => Math.min(190, Math.round(width * 0.38));
  const legend = (names) => ({ top: 0, left: 0, selectedMode: false, itemWidth: 14, itemHeight: 10, textStyle: { color: ink("ink") }, data: names });

  function columns(spec) {
    const whole = spec.values.reduce((sum, value) => sum + value, 0);
    return {
      height: 190,
      option: {
        ...common((at) => tip(`${at.name} ${spec.unit}`, `${number(at.value)} examples, ${percent(at.value / whole)}`)),
        xAxis: { ...named(spec.names), inverse: false, axisLabel: { color: ink("soft"), fontSize: 12, hideOverlap: true, formatter: (name) => name.split(" ")[0] } },
        yAxis: values(),
        series: [{ type: "bar", data: spec.values, barCategoryGap: "8%", itemStyle: { color: ink("train"), borderRadius: [2, 2, 0, 0] } }],
      },
    };
  }

  function stack(spec, width) {
    const told = (at) => tip(spec.names[at.dataIndex], ...spec.parts.map((each) => `${each.name} ${number(each.values[at.dataIndex])}`));
    return {
      height: spec.names.length * 21 + 56,
      option: {
        ...common(told),
        legend: legend(spec.parts.map((each) => each.name)),
        grid: { ...common().grid, top: 32 },
        yAxis: named(spec.names, narrow(width)),
        xAxis: values({ minInterval: 1 }),
        series: spec.parts.map((each) => ({
          type: "bar", stack: "all", name: each.name, data: each.values, barMaxWidth: 16, itemStyle: { color: ink(each.ink), borderColor: ink("paper"), borderWidth: 0.5 },
        })),
      },
    };
  }

  // Values as marks on a line each, with the range that chance allows.
  function ranges(spec, width) {
    const several = spec.marks.length > 1;
    const at = (pairs) => pairs.flatMap(([from, to, row]) => [[from, row], [to, row], [NaN, row]]);
    const line = (pairs, style) => ({ type: "line", data: at(pairs), symbol: "none", silent: true, lineStyle: style, connectNulls: false });
    const known = spec.rows.map((row, place) => ({ ...row, place })).filter((row) => row.low != null && row.high != null);
    const told = (point) => {
      const row = spec.rows[point.dataIndex];
      const range = row.low == null ? [] : [`chance allows ${percent(row.low)} to ${percent(row.high)}`];
      return tip(row.name, ...spec.marks.map((mark, place) => `${mark.name} ${percent(row.values[place])}`), ...range);
    };
    return {
      height: spec.rows.length * 28 + (several ? 64 : 34),
      option: {
        ...common(told),
        legend: several ? legend(spec.marks.map((mark) => mark.name)) : undefined,
        grid: { ...common().grid, top: several ? 32 : 8, right: 24 },
        yAxis: named(spec.rows.map((row) => row.name), narrow(width)),
        xAxis: values({ axisLabel: { color: ink("soft"), fontSize: 12, formatter: percent, hideOverlap: true }, scale: true }),
        series: [
          line(known.map((row) => [row.low, row.high, row.place]), { color: ink("plain"), width: 6, opacity: 0.5, cap: "round" }),
          ...(several ? [line(spec.rows.map((row, place) => [...row.values, place]), { color: ink("soft"), width: 1 })] : []),
          ...spec.marks.map((mark, place) => ({
            type: "scatter", name: mark.name, symbol: mark.shape, symbolSize: 11, z: 5, data: spec.rows.map((row, index) => [row.values[place], index]),
            itemStyle: { color: ink(mark.ink), opacity: 1, borderColor: ink("paper"), borderWidth: 1 },
          })),
        ],
      },
    };
  }

  // Rows are what the labels say, columns what they were read as; a column has the number of its label's row.
  function matrix(spec, width) {
    const count = spec.names.length, left = narrow(width) + 24;
    const wide = (width - left - 4) / count, high = Math.max(Math.min(wide, 30), 16);
    const cells = spec.rows.flatMap((row, from) => row.map((value, to) => [to, from, value])).filter((cell) => cell[2]);
    const most = Math.max(1, ...cells.filter(([to, from]) => to !== from).map((cell) => cell[2]));
    const right = Math.max(1, ...cells.filter(([to, from]) => to === from).map((cell) => cell[2]));
    const told = ({ value: [to, from, rows] }) =>
      to === from ? tip(spec.names[from], `${number(rows)} read as what they are labelled`) : tip(spec.names[from], part("span", "", `${number(rows)} read as `, words(spec.names[to])));
    const layer = (which, colour, top) => ({
      type: "scatter", symbol: "rect", symbolSize: [wide - 1, high - 1], itemStyle: { opacity: 1 },
      label: { show: wide > 20, formatter: ({ value }) => String(value[2]), color: ink("ink"), fontSize: 11 },
      data: cells.filter(which).map((value) => ({ value, itemStyle: { color: faded(colour, 0.15 + 0.5 * Math.sqrt(value[2] / top)) } })),
    });
    return {
      height: high * count + 30,
      option: {
        ...common(told),
        grid: { left, right: 4, top: 24, height: high * count, outerBoundsMode: "none" },
        xAxis: { type: "category", position: "top", data: spec.names.map((_, place) => String(place + 1)), axisTick: { show: false }, axisLine: { show: false }, axisLabel: { color: ink("soft"), fontSize: 11, hideOverlap: true } },
        yAxis: { ...named(spec.names.map((name, place) => `${place + 1}  ${name}`), left - 12), splitLine: { show: false } },
        series: [
          layer(([to, from]) => to === from, ink("plain"), right),
          layer(([to, from]) => to !== from, ink("dropped"), most),
        ],
      },
    };
  }

  // The learning curve: measured, then what a power law expects, each within its interval.
  function curve(spec) {
    const all = [...spec.points, ...spec.ahead], ends = [spec.points.at(-1), ...spec.ahead];
    const known = all.filter((point) => point[2] != null && point[3] != null);
    const least = Math.max(0, Math.floor(Math.min(...all.map((point) => point[2] ?? point[1])) * 5) / 5);
    const dots = (points, name, colour, filled) => ({
      type: "line", name, data: points.map(([rows, share]) => [rows, share]), symbol: "circle", symbolSize: 9, z: 4,
      lineStyle: { color: colour, width: 2, type: filled ? "solid" : "dashed" }, itemStyle: { color: filled ? colour : ink("paper"), borderColor: colour, borderWidth: 2 },
    });
    const told = ({ value: [rows] }) => {
      const point = all.find((each) => each[0] === rows);
      const range = point[2] == null ? [] : [`between ${percent(point[2])} and ${percent(point[3])}`];
      return tip(`${number(rows)} examples`, `${percent(point[1])} right${spec.points.includes(point) ? "" : ", expected"}`, ...range);
    };
    const band = (chart) => {
      const outline = [...known.map((point) => [point[0], point[3]]), ...known.toReversed().map((point) => [point[0], point[2]])];
      const points = outline.map((spot) => chart.convertToPixel({ gridIndex: 0 }, spot));
      chart.setOption({ graphic: [{ type: "polygon", silent: true, z: -1, shape: { points }, style: { fill: ink("train"), opacity: 0.14 } }] });
    };
    return {
      height: 300,
      after: band,
      option: {
        ...common(told),
        legend: { ...legend(["measured", "expected"]), data: spec.ahead.length ? ["measured", "expected"] : ["measured"] },
        grid: { ...common().grid, top: 36, right: 20 },
        xAxis: {
          type: "log", min: all[0][0], max: all.at(-1)[0], splitLine: { show: false }, axisLine: { lineStyle: { color: ink("line") } },
          axisTick: { customValues: all.map((point) => point[0]) }, axisLabel: { color: ink("soft"), fontSize: 12, customValues: all.map((point) => point[0]), formatter: number, hideOverlap: true },
        },
        yAxis: values({ min: least, max: 1, interval: (1 - least) / 4, axisLabel: { color: ink("soft"), fontSize: 12, formatter: percent } }),
        series: [
          ...(spec.ahead.length ? [dots(ends, "expected", ink("train"), false)] : []),
          dots(spec.points, "measured", ink("train"), true),
        ],
      },
    };
  }

  const KINDS = { columns, stack, ranges, matrix, curve, map: (spec, width) => atlas.draw(width) };

  // The map: a point an example, with what it takes to find one by eye, by word and by keyboard.
  const atlas = (() => {
    const spec = specs.map;
    if (!spec) return null;
    const node = document.querySelector("[data-chart=map]");
    const [colour, search, panel, status, key] = ["by", "search", "panel", "status", "key"].map((name) => document.getElementById(`map-${name}`));
    const lowered = spec.text.map((text) => text.toLowerCase());
    const state = { by: 0, only: null, find: "", at: -1, x: 0.5, y: 0.5, span: 1.08 };
    const naming = (by, place) => (by.rows[place] < 0 ? (by.what === "finding" ? "nothing found" : "none") : by.names[by.rows[place]]);
    const slot = (by, place) => (by.rows[place] < 0 || by.rows[place] >= SLOTS ? SLOTS : by.rows[place]);
    const look = (by, place) =>
      place === SLOTS ? { colour: "c0", shape: "circle" }
      : by.what === "side" ? { colour: by.names[place], shape: SHAPES[place % 4] }
      : { colour: `c${place + 1}`, shape: SHAPES[place % 4] };
    const wanted = (place) => {
      const by = spec.by[state.by];
      if (state.only !== null && slot(by, place) !== state.only) return false;
      return !state.find || lowered[place].includes(state.find) || spec.id[place].startsWith(state.find) || spec.by.some((each) => naming(each, place).toLowerCase().includes(state.find));
    };
    const told = (place) => [
      ...spec.by.filter((each) => each.rows[place] >= 0).map((each) => part("span", "", part("span", "soft", `${each.what} `), words(naming(each, place)))),
    ];

    // Where most of a group lies: the middle of its nearer half, and the top of that.
    function crest(points) {
      const half = (axis) => points.map((place) => spec[axis][place]).sort((a, b) => a - b)[points.length >> 1];
      const [x, y] = [half("x"), half("y")];
      const far = (place) => (spec.x[place] - x) ** 2 + (spec.y[place] - y) ** 2;
      const near = points.toSorted((a, b) => far(a) - far(b)).slice(0, (points.length + 1) >> 1);
      return [near.reduce((sum, place) => sum + spec.x[place], 0) / near.length, Math.max(...near.map((place) => spec.y[place]))];
    }

    // A group has many places where it has parts: names stand where those of the column with the most labels lie.
    const finest = (by) => spec.by.filter((each) => each.own).reduce((most, each) => (each.names.length > most.names.length ? each : most), by);

    // The names of the labels, the commonest first, where there is room for them.
    function titles(by, width, height) {
      const members = by.names.map(() => []);
      by.rows.forEach((name, place) => name >= 0 && members[name].push(place));
      const taken = [], letter = 3.5;
      return by.names.flatMap((name, place) => {
        if (!members[place].length) return [];
        const text = name.length > 26 ? `${name.slice(0, 25)}…` : name, [x, y] = crest(members[place]);
        const half = text.length * letter, across = ((x - state.x) / state.span + 0.5) * width, top = (0.5 - (y - state.y) / state.span) * height - 12;
        const inside = Math.min(Math.max(across, half + 4), width - half - 4), up = Math.max(top, 9);
        const free = taken.every((other) => Math.abs(other.up - up) > 17 || Math.abs(other.inside - inside) > other.half + half);
        if (!free || across < 0 || across > width || top < -12 || top > height) return [];
        taken.push({ inside, up, half });
        return [{ value: [state.x + (inside / width - 0.5) * state.span, state.y + (0.5 - up / height) * state.span], name: text }];
      });
    }

    function draw(width) {
      const by = spec.by[state.by], height = Math.round(Math.max(340, Math.min(560, width * 0.72)));
      const size = (spec.x.length > 2000 ? 6 : spec.x.length > 800 ? 7 : 9) - (width < 500 ? 2 : 0);
      const layers = Array.from({ length: SLOTS + 1 }, () => []), others = [];
      spec.x.forEach((x, place) => (wanted(place) ? layers[slot(by, place)] : others).push([x, spec.y[place], place]));
      const dots = (data, place) => ({
        type: "scatter", data, symbol: look(by, place).shape, symbolSize: place === SLOTS ? size - 2 : size, z: place === SLOTS ? 2 : 3,
        itemStyle: { color: ink(look(by, place).colour), opacity: place === SLOTS ? 0.6 : 0.85, borderColor: ink("slip"), borderWidth: 0.7 }, emphasis: { itemStyle: { borderColor: ink("ink"), borderWidth: 1.5 } },
      });
      const axis = (at) => ({ type: "value", show: false, min: at - state.span / 2, max: at + state.span / 2 });
      return {
        height,
        option: {
          ...common(({ value }) => tip(spec.text[value[2]] || "no text", ...told(value[2]))),
          grid: { left: 0, right: 0, top: 0, bottom: 0, outerBoundsMode: "none" },
          xAxis: axis(state.x),
          yAxis: axis(state.y),
          series: [
            { type: "scatter", data: others, silent: true, symbolSize: size - 2, itemStyle: { color: ink("c0"), opacity: 0.13 }, z: 1 },
            ...layers.map(dots).filter((each) => each.data.length),
            { type: "scatter", symbolSize: 0, silent: true, z: 4, data: by.own && !state.find && state.only === null ? titles(finest(by), width, height) : [],
              itemStyle: { opacity: 1 }, label: { show: true, position: "inside", formatter: "{b}", color: ink("ink"), fontSize: 12, fontWeight: 600, textBorderColor: ink("slip"), textBorderWidth: 4 } },
            { type: "scatter", silent: true, z: 6, symbolSize: size + 10, data: state.at < 0 ? [] : [[spec.x[state.at], spec.y[state.at]]],
              itemStyle: { color: "transparent", borderColor: ink("ink"), borderWidth: 2.5 } },
          ],
        },
      };
    }

    function listed() {
      const by = spec.by[state.by], counts = Array(SLOTS + 1).fill(0);
      by.rows.forEach((_, place) => { counts[slot(by, place)] += 1; });
      const others = by.what === "finding" ? "nothing found" : by.names.length > SLOTS ? `${by.names.length - SLOTS} others` : "none";
      key.replaceChildren(...counts.flatMap((count, place) => {
        if (!count) return [];
        const button = part("button", "", part("span", `dot ${look(by, place).colour} ${look(by, place).shape}`), words(place === SLOTS ? others : by.names[place]), part("span", "soft", number(count)));
        button.type = "button";
        button.setAttribute("aria-pressed", String(state.only === place));
        button.addEventListener("click", () => { state.only = state.only === place ? null : place; again(); });
        return [part("li", "", button)];
      }));
    }

    function fix(place) {
      state.at = place;
      if (place >= 0) {
        if (Math.max(Math.abs(spec.x[place] - state.x), Math.abs(spec.y[place] - state.y)) > state.span / 2) [state.x, state.y] = [spec.x[place], spec.y[place]];
        const text = part("div", "text", spec.text[place] || "no text");
        text.dir = "auto";
        panel.replaceChildren(text, part("div", "by", ...told(place), part("span", "id", spec.id[place])));
      }
      again();
    }

    function again() {
      const count = spec.x.reduce((sum, _, place) => sum + wanted(place), 0);
      status.textContent = state.find || state.only !== null ? `${number(count)} of ${number(spec.x.length)}` : "";
      listed();
      paint(boards.find((board) => board.node === node));
    }

    function step(dx, dy) {
      const from = state.at < 0 ? { x: state.x, y: state.y } : { x: spec.x[state.at], y: spec.y[state.at] };
      let best = -1, least = Infinity;
      spec.x.forEach((x, place) => {
        const [across, up] = [x - from.x, spec.y[place] - from.y], along = across * dx + up * dy, aside = Math.abs(across * dy) + Math.abs(up * dx);
        const far = along + 2 * aside;
        if (place !== state.at && along > 0 && far < least && wanted(place)) [best, least] = [place, far];
      });
      if (best >= 0) fix(best);
    }

    function zoom(by) {
      state.span = Math.min(1.08, Math.max(0.05, state.span * by));
      [state.x, state.y] = state.span > 1 ? [0.5, 0.5] : state.at >= 0 ? [spec.x[state.at], spec.y[state.at]] : [state.x, state.y];
      again();
    }

    const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    spec.by.forEach((by, place) => colour.append(new Option(by.what, String(place))));
    colour.addEventListener("change", () => { state.by = Number(colour.value); state.only = null; again(); });
    search.addEventListener("input", () => { state.find = search.value.trim().toLowerCase(); again(); });
    search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      const found = spec.x.map((_, place) => place).filter(wanted);
      if (found.length) fix(found.find((place) => place > state.at) ?? found[0]);
    });
    node.addEventListener("keydown", (event) => {
      if (ARROWS[event.key]) step(...ARROWS[event.key]);
      else if (event.key === "+") zoom(0.6);
      else if (event.key === "-") zoom(1 / 0.6);
      else if (event.key === "Escape") fix(-1);
      else return;
      event.preventDefault();
    });
    document.getElementById("map-closer").addEventListener("click", () => zoom(0.6));
    document.getElementById("map-wider").addEventListener("click", () => zoom(1 / 0.6));
    return { draw, listed, ready: (chart) => chart.on("click", ({ value }) => value?.length === 3 && fix(value[2])) };
  })();

  function paint(board) {
    const printing = root.classList.contains("printing");
    const width = printing ? Math.min(PRINTED, board.node.parentElement.clientWidth || PRINTED) : board.node.clientWidth;
    if (!width) return;
    const { option, height, after } = KINDS[specs[board.node.dataset.chart].kind](specs[board.node.dataset.chart], width);
    board.node.style.height = `${height}px`;
    if (!board.chart) {
      board.chart = echarts.init(board.node, null, { devicePixelRatio: Math.max(2, window.devicePixelRatio) });
      if (board.node.dataset.chart === "map") atlas.ready(board.chart);
    }
    board.chart.resize({ width, height });
    board.chart.setOption(option, { notMerge: true });
    if (after) after(board.chart);
    board.width = width;
  }

  const everything = () => boards.forEach(paint);
  root.classList.add("drawn");
  if (atlas) atlas.listed();
  everything();
  const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    const board = boards.find((each) => each.node === target);
    if (!root.classList.contains("printing") && board.width !== target.clientWidth) requestAnimationFrame(() => paint(board));
  }));
  boards.forEach((board) => sizes.observe(board.node));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", everything);
  addEventListener("beforeprint", () => { root.classList.add("printing"); everything(); });
  addEventListener("afterprint", () => { root.classList.remove("printing"); everything(); });
})();
