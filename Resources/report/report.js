// SPDX-License-Identifier: Apache-2.0
// The page of the report. Every text from a file reaches it as text, never as markup.
"use strict";
(() => {
  const MARKS = ["pass", "fail", "artefact"];
  const SIGNS = { pass: "✓", fail: "✗", artefact: "~" };
  const SVG = "http://www.w3.org/2000/svg";
  const TALL = 620, WIDE = 310, PLOT = 172;
  const $ = (id) => document.getElementById(id);
  const cohort = JSON.parse($("cohort").textContent);
  const scans = cohort.scans;
  const place = new Map(scans.map((scan, index) => [scan.id, index]));
  const titles = new Map(cohort.measures.map((m) => [m.name, m]));
  const state = {
    chosen: -1, order: [], slice: null, contours: true, large: false, descending: false,
    marks: new Map(), saved: true, stored: true, block: null, urls: [],
  };

  // ---- small helpers -------------------------------------------------------------------------

  function make(tag, properties, ...children) {
    const node = document.createElement(tag);
    fill(node, properties);
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }
  function draw(tag, attributes) {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  }
  function fill(node, properties) {
    for (const [name, value] of Object.entries(properties || {})) {
      if (name === "text") node.textContent = value;
      else if (name === "class") node.className = value;
      else if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
  }
  function say(text) { $("said").textContent = ""; $("said").textContent = text; }
  function notice(text) { $("notice").textContent = text; $("notice").hidden = !text; }
  function number(value, digits = 4) {
    if (value === null || value === undefined) return "–";
    return Number(value.toPrecision(digits)).toLocaleString("en", { maximumFractionDigits: 4, useGrouping: false });
  }
  function withUnit(value, name) {
    const unit = titles.get(name)?.unit;
    return number(value) + (unit ? (unit === "°" ? unit : " " + unit) : "");
  }
  function plural(count, what) { return `${count} ${what}${count === 1 ? "" : "s"}`; }
  function outlying(scan) { return Object.keys(scan.outliers).length > 0; }

  // ---- marks: in memory, in the browser's storage where it allows that, and as a file ----------

  const KEY = "spinalcordseg-qc:" + cohort.key;
  function recall() {
    try {
      const kept = JSON.parse(localStorage.getItem(KEY) || "{}");
      for (const [id, one] of Object.entries(kept)) {
        const index = place.get(id);
        if (index !== undefined && one.of === scans[index].version) put(id, one.mark, one.note);
      }
    } catch { state.stored = false; }
  }
  function remember() {
    const kept = [...state.marks].map(([id, one]) => [id, { ...one, of: scans[place.get(id)].version }]);
    try { localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(kept))); state.stored = true; }
    catch { state.stored = false; }
    state.saved = false;
  }
  function put(id, mark, note) {
    const one = { mark: MARKS.includes(mark) ? mark : null, note: typeof note === "string" ? note : "" };
    if (one.mark || one.note) state.marks.set(id, one);
    else state.marks.delete(id);
  }
  function markOf(scan) { return state.marks.get(scan.id) || { mark: null, note: "" }; }
  function mark(verdict) {
    const scan = scans[state.chosen];
    if (!scan) return;
    const before = markOf(scan);
    put(scan.id, before.mark === verdict ? null : verdict, before.note);
    remember();
    refresh(state.chosen);
    say(`${scan.id}: ${markOf(scan).mark || "mark taken back"}`);
  }
  function writeNote(text) {
    const scan = scans[state.chosen];
    put(scan.id, markOf(scan).mark, text);
    remember();
    refreshRow(state.chosen);
  }
  function download(name, type, text) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = make("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  }
  function saveMarks() {
    const marks = Object.fromEntries([...state.marks].sort(([a], [b]) => (a < b ? -1 : 1)));
    download("qc_marks.json", "application/json", JSON.stringify({ format: 1, marks }, null, 1) + "\n");
    state.saved = true;
    say(`marks of ${plural(state.marks.size, "scan")} saved`);
  }
  async function loadMarks(file) {
    let marks;
    try {
      const content = JSON.parse(await file.text());
      if (content.format !== 1) throw new Error();
      marks = Object.entries(content.marks);
      for (const [, one] of marks) {
        if ((one.mark !== null && !MARKS.includes(one.mark)) || typeof (one.note ?? "") !== "string") throw new Error();
      }
    } catch {
      notice(`${file.name} is no file of marks: choose one that this page has saved.`);
      return;
    }
    const known = marks.filter(([id]) => place.has(id));
    for (const [id, one] of known) put(id, one.mark, one.note);
    remember();
    const others = marks.length - known.length;
    notice(others ? `${plural(others, "mark")} of scans that are not in this report were left out.` : "");
    renderList();
    showDetail();
    say(`marks of ${plural(known.length, "scan")} loaded`);
  }

  // ---- the table as CSV: no cell is a formula ---------------------------------------------------

  function cell(value) {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const text = /^\s*[=+\-@]|^[\t\r\n]/.test(value) ? "'" + value : value;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }
  function saveTable() {
    const names = cohort.measures.map((m) => m.name);
    const rows = [["id", "status", "mark", "note", "outlier", "worst_review_severity", ...names]];
    for (const index of state.order) {
      const scan = scans[index], one = markOf(scan);
      rows.push([
        scan.id, scan.status, one.mark, one.note, Object.keys(scan.outliers).join(" "), scan.severity,
        ...names.map((name) => scan.measures[name]),
      ]);
    }
    download("qc_table.csv", "text/csv", rows.map((row) => row.map(cell).join(",") + "\n").join(""));
  }

  // ---- the list ---------------------------------------------------------------------------------

  const FILTERS = {
    all: () => true,
    unmarked: (scan) => scan.status === "done" && !markOf(scan).mark,
    outlier: outlying,
    review: (scan) => scan.severity > 0,
    noted: (scan) => markOf(scan).note !== "",
    failed: (scan) => scan.status === "failed",
    excluded: (scan) => scan.status === "excluded",
    pass: (scan) => markOf(scan).mark === "pass",
    fail: (scan) => markOf(scan).mark === "fail",
    artefact: (scan) => markOf(scan).mark === "artefact",
  };
  const STATUS_ORDER = { failed: 0, excluded: 1, done: 2 };
  function sortValue(scan, by) {
    if (by === "severity") return scan.severity;
    if (by === "status") return STATUS_ORDER[scan.status];
    if (by === "outlier") return Math.max(0, ...Object.values(scan.outliers).map(Math.abs));
    if (by === "mark") return [null, ...MARKS].indexOf(markOf(scan).mark);
    return scan.measures[by.slice(2)] ?? null;
  }
  function arrange() {
    const by = $("sort").value, wanted = FILTERS[$("show").value];
    const find = $("find").value.trim().toLowerCase();
    const measure = by.startsWith("m:");
    const bound = (id, none) => (measure && $(id).value !== "" ? Number($(id).value) : none);
    const low = bound("from", null), high = bound("to", null);
    const chosen = scans.map((_, index) => index).filter((index) => {
      const scan = scans[index];
      if (!wanted(scan) || !scan.id.toLowerCase().includes(find)) return false;
      if (low === null && high === null) return true;
      const value = sortValue(scan, by);
      return value !== null && (low === null || value >= low) && (high === null || value <= high);
    });
    const sign = state.descending ? -1 : 1;
    if (by === "id") {
      const names = new Intl.Collator("en", { numeric: true });
      chosen.sort((a, b) => sign * names.compare(scans[a].id, scans[b].id));
    } else {
      const values = new Map(chosen.map((index) => [index, sortValue(scans[index], by)]));
      // What has no value comes last either way.
      chosen.sort((a, b) => {
        const [x, y] = [values.get(a), values.get(b)];
        if (x === null || y === null) return (x === null) - (y === null) || a - b;
        return sign * (x - y) || a - b;
      });
    }
    state.order = chosen;
  }
  function row(index) {
    const scan = scans[index], one = markOf(scan), by = $("sort").value;
    const selected = index === state.chosen;
    const tags = make("span", { class: "tags" });
    if (scan.status === "failed") tags.append(make("span", { class: "tag failed", text: "not segmented" }));
    if (scan.status === "excluded") tags.append(make("span", { class: "tag", text: "excluded" }));
    if (scan.severity > 0) tags.append(severity(scan.severity, "to review"));
    if (outlying(scan)) tags.append(make("span", { class: "tag outlier", text: "outlier" }));
    if (one.note) tags.append(make("span", { class: "tag", text: "note" }));
    if (scan.status === "done" && !tags.childNodes.length) tags.append(make("span", { class: "severity", text: "nothing to review" }));
    return make(
      "div",
      {
        class: "scan", role: "option", id: "row-" + index, tabindex: selected ? "0" : "-1",
        "aria-selected": String(selected), on: { click: () => choose(index, true) },
      },
      make("span", {
        class: "mark " + (one.mark || ""), text: SIGNS[one.mark] || "", role: "img",
        "aria-label": one.mark ? "marked " + one.mark : "not marked",
      }),
      make("span", { class: "name", text: scan.id }),
      by.startsWith("m:") ? make("span", { class: "value", text: withUnit(scan.measures[by.slice(2)], by.slice(2)) }) : make("span"),
      tags,
    );
  }
  function severity(value, text) {
    const bar = make("b");
    bar.style.width = Math.round(100 * value) + "%";
    return make(
      "span", { class: "severity", title: "severity of the worst slice " + value.toFixed(2) },
      make("i", { "aria-hidden": "true" }, bar), text,
    );
  }
  function renderList() {
    arrange();
    $("list").replaceChildren(...state.order.map(row));
    if (!$("list").querySelector('[tabindex="0"]') && state.order.length) $("list").firstChild.tabIndex = 0;
    $("shown").textContent = state.order.length === scans.length
      ? plural(scans.length, "scan") : `${state.order.length} of ${plural(scans.length, "scan")}`;
    $("range").hidden = !$("sort").value.startsWith("m:");
    renderCounts();
  }
  function refreshRow(index) {
    const old = $("row-" + index);
    if (old) {
      const focused = document.activeElement === old, now = row(index);
      old.replaceWith(now);
      if (focused) now.focus({ preventScroll: true });
    }
    renderCounts();
  }
  function refresh(index) {
    refreshRow(index);
    const given = markOf(scans[index]).mark;
    for (const button of document.querySelectorAll(".verdict button")) {
      button.setAttribute("aria-pressed", String(button.dataset.mark === given));
    }
  }
  function renderCounts() {
    const count = (wanted) => scans.filter(wanted).length;
    const done = count((scan) => scan.status === "done");
    const marked = count((scan) => markOf(scan).mark);
    const parts = [`${done} segmented`];
    for (const [status, words] of [["failed", "not segmented"], ["excluded", "excluded"]]) {
      const some = count((scan) => scan.status === status);
      if (some) parts.push(`${some} ${words}`);
    }
    parts.push(`${marked} marked`);
    $("counts").textContent = parts.join(" · ");
    $("progress").setAttribute("aria-label", `${marked} of ${plural(scans.length, "scan")} marked`);
    for (const verdict of MARKS) {
      const share = count((scan) => markOf(scan).mark === verdict) / Math.max(scans.length, 1);
      $("progress").querySelector("." + verdict).style.width = 100 * share + "%";
    }
  }

  // ---- one scan -----------------------------------------------------------------------------------

  function choose(index, focus) {
    if (index === undefined || index === state.chosen) return;
    const before = $("row-" + state.chosen);
    if (before) { before.setAttribute("aria-selected", "false"); }
    for (const other of $("list").querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    state.chosen = index;
    state.slice = null;
    const now = $("row-" + index);
    if (now) {
      now.setAttribute("aria-selected", "true");
      now.tabIndex = 0;
      now.scrollIntoView({ block: "nearest" });
      if (focus) now.focus({ preventScroll: true });
    }
    showDetail();
    say(scans[index].id);
  }
  function step(by) {
    const at = state.order.indexOf(state.chosen);
    const next = at < 0 ? 0 : Math.min(Math.max(at + by, 0), state.order.length - 1);
    choose(state.order[next], true);
  }
  function showDetail() {
    const index = state.chosen;
    for (const url of state.urls.splice(0)) URL.revokeObjectURL(url);
    if (index < 0) return;
    const data = $("scan-" + index);
    // The page is usable before all of it is read; a block is whole once something follows it.
    if (!data || (document.readyState === "loading" && !$("scan-" + (index + 1)) )) {
      $("detail").replaceChildren(make("p", { class: "waiting", text: "reading the scan …" }));
      if (document.readyState === "loading") setTimeout(() => { if (state.chosen === index) showDetail(); }, 30);
      return;
    }
    const scan = scans[index];
    const block = state.block = JSON.parse(data.textContent);
    const parts = [bar(scan, block)];
    if (block.reason) parts.push(why(scan, block));
    if (scan.status === "done" || Object.keys(block.pictures).length) parts.push(pictures(block));
    parts.push(below(scan, block, Boolean(parts.at(-1).querySelector("#sagittal"))));
    $("detail").replaceChildren(...parts);
    $("detail").scrollTop = 0;
    $("detail").setAttribute("aria-label", "Scan " + scan.id);
    setContours(state.contours);
  }
  function bar(scan, block) {
    const given = markOf(scan);
    const about = [block.contrast, block.weights && "weights " + block.weights,
      scan.seconds !== null && scan.seconds !== undefined && number(scan.seconds, 3) + " s"].filter(Boolean).join(" · ");
    const verdict = make("div", { class: "verdict", role: "group", "aria-label": "Verdict" });
    for (const name of MARKS) {
      const button = make("button", {
        type: "button", class: name, "aria-pressed": String(given.mark === name), "aria-keyshortcuts": name[0],
        on: { click: () => mark(name) },
      }, name[0].toUpperCase() + name.slice(1) + " ", make("kbd", { text: name[0].toUpperCase(), "aria-hidden": "true" }));
      button.dataset.mark = name;
      verdict.append(button);
    }
    const note = make("textarea", {
      id: "note", rows: "1", "aria-keyshortcuts": "n", maxlength: "4000",
      on: { input: (event) => writeNote(event.target.value) },
    });
    note.value = given.note;
    return make(
      "div", { class: "bar" },
      make("div", { class: "name" }, make("h2", { text: scan.id }), make("p", { text: about })),
      verdict,
      make("label", { class: "note" }, make("span", {}, "Note ", make("kbd", { text: "N", "aria-hidden": "true" })), note),
    );
  }
  function why(scan, block) {
    const what = { failed: "Could not be segmented", excluded: "Excluded" }[scan.status] || "Results of an earlier run";
    return make(
      "div", { class: "card failure", id: "failure" },
      make("p", {}, make("strong", { text: what }), block.reason),
      block.remedy ? make("p", {}, make("strong", { text: "What to do" }), block.remedy) : null,
    );
  }
  function picture(base64) {
    const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
    const url = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    state.urls.push(url);
    return url;
  }
  function outlines(svg, drawn) {
    for (const { name } of cohort.structures) {
      for (const line of drawn[name] || []) svg.append(polyline(line, "outline " + name));
    }
  }
  function polyline(line, kind) {
    const steps = [];
    for (let n = 0; n < line.length; n += 2) steps.push(line[n] / 10 + " " + line[n + 1] / 10);
    return draw("path", { d: "M" + steps.join("L"), class: kind });
  }
  function letters(node, left, right, top, bottom) {
    const places = [[left, "left", "6px", "top", "50%"], [right, "right", "6px", "top", "50%"], [top, "left", "50%", "top", "6px"], [bottom, "left", "50%", "bottom", "6px"]];
    for (const [text, across, x, down, y] of places) {
      const letter = make("span", { class: "letter", text, "aria-hidden": "true" });
      letter.style[across] = x;
      letter.style[down] = y;
      node.append(letter);
    }
  }

  function pictures(block) {
    const panel = make("div", { class: "pictures", id: "pictures" });
    const { axial, sagittal } = block.places;
    if (!axial || !block.pictures.axial) {
      if (block.pictures.overview) {
        panel.append(make("div", { class: "across" },
          make("div", { class: "head" }, make("span", { text: "Made by segment: the contours are part of the picture." })),
          make("img", { class: "overview", src: picture(block.pictures.overview), alt: "Sagittal view along the curve, and axial slices with the contours" })));
      } else panel.append(make("p", { class: "empty", text: "There are no pictures of this scan." }));
      return panel;
    }
    if (sagittal && block.pictures.sagittal) panel.append(along(block, sagittal));
    panel.append(across(block, axial, sagittal));
    return panel;
  }
  function along(block, sagittal) {
    const scale = Math.min(TALL / sagittal.height, WIDE / sagittal.width);
    const [width, height] = [sagittal.width * scale, sagittal.height * scale];
    const view = make("div", { class: "view", id: "sagittal" });
    view.style.width = width + "px";
    view.style.height = height + "px";
    const svg = draw("svg", { viewBox: `0 0 ${sagittal.width} ${sagittal.height}`, "aria-hidden": "true" });
    for (const line of sagittal.curve) svg.append(polyline(line, "outline curve"));
    outlines(svg, sagittal.outlines);
    const flagged = new Set(block.review.map((item) => item.slice));
    for (const [slice, at] of sagittal.slices) {
      if (flagged.has(slice)) svg.append(draw("path", { class: "flag", d: `M${sagittal.width} ${at - 5 / scale}v${10 / scale}l${-8 / scale} ${-5 / scale}Z` }));
    }
    svg.append(draw("line", { class: "here", id: "here", x1: 0, x2: sagittal.width, y1: -9, y2: -9 }));
    const image = make("img", { src: picture(block.pictures.sagittal), alt: "Sagittal view along the straightened cord" });
    view.append(image, svg);
    letters(view, "A", "P", "S", "I");
    const pick = (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      const at = ((event.clientY - box.top) / box.height) * sagittal.height;
      const nearest = sagittal.slices.reduce((best, each) => (Math.abs(each[1] - at) < Math.abs(best[1] - at) ? each : best));
      look(nearest[0]);
    };
    view.addEventListener("click", pick);
    const both = make("div", { class: "both" }, view);
    if (block.areas.length > 1) {
      const chart = plot(block, sagittal, height);
      chart.addEventListener("click", pick);
      both.append(chart);
    }
    const column = make(
      "div", { class: "along" },
      make("div", { class: "head" }, make("span", { text: "Along the cord" }), make("span", { text: block.areas.length > 1 ? "Area, mm²" : "" })),
      both,
      reviewCard(block),
    );
    column.style.width = Math.max(width + (block.areas.length > 1 ? PLOT : 0), 340) + "px";
    return column;
  }
  // The area beside the sagittal view, each slice at the height where the view shows it.
  function plot(block, sagittal, height) {
    const svg = draw("svg", { class: "plot", id: "plot", role: "img", width: PLOT, height, viewBox: `0 0 ${PLOT} ${height}` });
    const rows = new Map(sagittal.slices);
    const points = block.areas.filter(([slice]) => rows.has(slice)).map(([slice, , area, whole]) => ({ slice, area, whole, y: (rows.get(slice) / sagittal.height) * height }));
    const top = niceTop(Math.max(...points.map((point) => point.area), 1));
    const x = (area) => 12 + (area / top) * (PLOT - 34);
    for (let tick = 0; tick <= 2; tick += 1) {
      const value = (top / 2) * tick;
      svg.append(draw("line", { x1: x(value), x2: x(value), y1: 0, y2: height - 18, stroke: "#3a3f47" }));
      const label = draw("text", { x: x(value), y: height - 4, fill: "#a9b0ba", "font-size": 11, "text-anchor": "middle" });
      label.textContent = number(value);
      svg.append(label);
    }
    const mean = scans[state.chosen].measures.area_mm2_mean;
    if (mean) svg.append(draw("line", { x1: x(mean), x2: x(mean), y1: 0, y2: height - 18, stroke: "#e8eaed", "stroke-dasharray": "2 4", opacity: 0.7 }));
    svg.append(draw("path", { d: "M" + points.map((point) => `${x(point.area).toFixed(1)} ${point.y.toFixed(1)}`).join("L"), fill: "none", stroke: "var(--cord)", "stroke-width": 1.8, "stroke-linejoin": "round" }));
    const flagged = new Set(block.review.map((item) => item.slice));
    const few = points.length <= 40;
    for (const point of points) {
      if (few || flagged.has(point.slice)) svg.append(draw("circle", { cx: x(point.area), cy: point.y, r: flagged.has(point.slice) ? 3.2 : 2.2, fill: flagged.has(point.slice) ? "var(--flag)" : point.whole ? "var(--cord)" : "var(--black)", stroke: flagged.has(point.slice) ? "none" : "var(--cord)" }));
    }
    svg.append(draw("line", { class: "here", id: "here-plot", x1: 0, x2: PLOT, y1: -9, y2: -9 }));
    const areas = points.map((point) => point.area);
    svg.setAttribute("aria-label", `Area of the cord along it: ${number(Math.min(...areas))} to ${number(Math.max(...areas))} mm², ${points.length} slices`);
    return svg;
  }
  function niceTop(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].map((factor) => factor * power).find((top) => top >= value * 1.02);
  }
  function across(block, axial, sagittal) {
    const url = picture(block.pictures.axial);
    const flagged = new Map(block.review.map((item) => [item.slice, item.reason]));
    const tiles = make("div", { class: "tiles" + (state.large ? " large" : ""), id: "tiles", role: "group", "aria-label": "Axial slices, from the top down" });
    const size = axial.size;
    axial.tiles.forEach((each, index) => {
      const svg = draw("svg", { viewBox: `0 0 ${size} ${size}`, "aria-hidden": "true" });
      const [across_, down] = [(index % axial.columns) * size, Math.floor(index / axial.columns) * size];
      svg.append(draw("image", { href: url, x: -across_, y: -down, width: axial.columns * size, height: axial.rows * size }));
      outlines(svg, each.outlines);
      const tile = make("button", {
        type: "button", class: "tile" + (flagged.has(each.slice) ? " flagged" : ""), "aria-pressed": "false",
        "aria-label": `slice ${each.slice}` + (flagged.has(each.slice) ? `, ${flagged.get(each.slice)}` : ""),
        title: flagged.get(each.slice) || null, on: { click: () => look(each.slice) },
      }, svg, make("span", { class: "number", text: each.slice, "aria-hidden": "true" }));
      tile.dataset.slice = each.slice;
      tiles.append(tile);
    });
    const legend = make("span", { class: "legend" });
    const named = new Set([...axial.tiles.flatMap((each) => Object.keys(each.outlines))]);
    for (const { name, title } of cohort.structures) {
      if (named.has(name)) legend.append(make("span", { class: name }, make("i"), title));
    }
    if (sagittal) legend.append(make("span", { class: "curve" }, make("i"), "Centerline"));
    if (flagged.size) legend.append(make("span", { class: "flagged" }, make("i"), "To review"));
    return make(
      "div", { class: "across" },
      make("div", { class: "head" },
        make("span", { class: "legend" }, make("span", { id: "slice", text: `${plural(axial.tiles.length, "slice")}, ${number(axial.mm)} mm wide` }), legend),
        make("span", { class: "verdict" },
          make("button", { type: "button", id: "contours", "aria-keyshortcuts": "c", on: { click: () => setContours(!state.contours) } }, "Contours ", make("kbd", { text: "C", "aria-hidden": "true" })),
          make("button", { type: "button", id: "large", "aria-keyshortcuts": "z", "aria-pressed": String(state.large), on: { click: toggleLarge } }, "Large ", make("kbd", { text: "Z", "aria-hidden": "true" })))),
      tiles,
    );
  }
  function setContours(shown) {
    state.contours = shown;
    $("pictures")?.classList.toggle("bare", !shown);
    $("contours")?.setAttribute("aria-pressed", String(shown));
  }
  function toggleLarge() {
    state.large = !state.large;
    $("tiles")?.classList.toggle("large", state.large);
    $("large")?.setAttribute("aria-pressed", String(state.large));
  }

  function look(slice) {
    const block = state.block;
    if (!block || slice === undefined) return;
    state.slice = slice;
    const { axial, sagittal } = block.places;
    const row = sagittal?.slices.find(([each]) => each === slice)?.[1];
    const height = Number($("plot")?.getAttribute("height") || 0);
    for (const [id, y] of [["here", row], ["here-plot", row === undefined ? row : (row / sagittal.height) * height]]) {
      if ($(id) && y !== undefined) { $(id).setAttribute("y1", y); $(id).setAttribute("y2", y); }
    }
    for (const button of document.querySelectorAll("[data-slice]")) {
      const here = Number(button.dataset.slice) === slice;
      button.setAttribute("aria-pressed", String(here));
      if (here) button.scrollIntoView({ block: "nearest" });
    }
    const area = block.areas.find(([each]) => each === slice);
    const words = [`slice ${slice}`];
    if (area) words.push(`${number(area[2])} mm²`, `${number(area[1])} mm below the top`);
    if (axial && !axial.tiles.some((each) => each.slice === slice)) words.push("not among the tiles");
    if ($("slice")) $("slice").textContent = words.join(" · ");
    const item = block.review.find((each) => each.slice === slice);
    say(words.join(", ") + (item ? ", " + item.reason : ""));
  }
  function stepSlice(by) {
    const tiles = state.block?.places.axial?.tiles.map((each) => each.slice);
    if (!tiles?.length) return;
    const at = tiles.indexOf(state.slice);
    look(tiles[at < 0 ? (by > 0 ? 0 : tiles.length - 1) : Math.min(Math.max(at + by, 0), tiles.length - 1)]);
  }
  function stepReview() {
    const review = state.block?.review.map((item) => item.slice) || [];
    if (review.length) look(review[(review.indexOf(state.slice) + 1) % review.length]);
  }

  function below(scan, block, reviewed) {
    const left = make("div", { class: "stack" });
    if (scan.status === "done" && !reviewed) left.append(reviewCard(block));
    if (block.warnings.length || scan.status === "done") {
      left.append(make("section", { class: "card", "aria-label": "Warnings" }, make("h3", { text: "Warnings" }),
        block.warnings.length ? make("ul", { class: "warnings" }, ...block.warnings.map((text) => make("li", { text })))
          : make("p", { class: "empty", text: "none" })));
    }
    const parts = make("div", { class: "below" }, left);
    if (Object.keys(scan.measures).length) parts.append(measuresCard(scan));
    return parts;
  }
  function reviewCard(block) {
    const card = make("section", { class: "card", "aria-label": "Slices to review" },
      make("h3", {}, "Slices to review, worst first ", make("kbd", { text: "R", "aria-hidden": "true" })));
    if (!block.review.length) card.append(make("p", { class: "empty", text: "none" }));
    else {
      card.append(make("ul", { class: "review", id: "review" }, ...block.review.map((item) => {
        const button = make("button", { type: "button", "aria-pressed": "false", on: { click: () => look(item.slice) } },
          make("span", { class: "slice", text: "slice " + item.slice }), severity(item.severity, ""), make("span", { text: item.reason }));
        button.dataset.slice = item.slice;
        return make("li", {}, button);
      })));
    }
    return card;
  }
  function measuresCard(scan) {
    const main = (name) => name in scan.outliers || !/_(min|max|sd)$/.test(name);
    const line = (name) => make("tr", { class: name in scan.outliers ? "out" : "" },
      make("th", { scope: "row", text: titles.get(name).title }),
      make("td", { text: withUnit(scan.measures[name], name) }),
      make("td", { text: name in scan.outliers ? `z ${scan.outliers[name] > 0 ? "+" : "−"}${Math.abs(scan.outliers[name])}` : "" }));
    const names = cohort.measures.map((m) => m.name).filter((name) => name in scan.measures);
    const rest = names.filter((name) => !main(name));
    const card = make("section", { class: "card", "aria-label": "Measurements" }, make("h3", { text: "Measurements" }),
      make("table", {}, make("tbody", {}, ...names.filter(main).map(line))));
    if (rest.length) card.append(make("details", {}, make("summary", { text: `Spread, least and greatest (${rest.length})` }), make("table", {}, make("tbody", {}, ...rest.map(line)))));
    if (outlying(scan)) card.append(make("p", { class: "empty", text: `z: robust z-score over the cohort; beyond ±${cohort.limit} counts as an outlier` }));
    return card;
  }

  // ---- keys -----------------------------------------------------------------------------------------

  const KEYS = {
    j: () => step(1), k: () => step(-1), arrowdown: () => step(1), arrowup: () => step(-1),
    p: () => mark("pass"), f: () => mark("fail"), a: () => mark("artefact"),
    c: () => setContours(!state.contours), z: toggleLarge, s: saveMarks, r: stepReview,
    n: () => $("note")?.focus(), "?": () => $("keys").showModal(),
    arrowleft: () => stepSlice(-1), arrowright: () => stepSlice(1),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || $("keys").open) return;
    if (event.target.matches?.("input, textarea, select")) {
      if (event.key === "Escape") ($("row-" + state.chosen) || $("detail")).focus();
      return;
    }
    const act = KEYS[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
  window.addEventListener("beforeunload", (event) => {
    if (!state.saved && !state.stored) event.preventDefault();
  });

  // ---- start ------------------------------------------------------------------------------------------

  const sort = $("sort");
  for (const [value, text] of [["id", "name"], ["severity", "worst slice to review"], ["outlier", "outlier score"], ["status", "status"], ["mark", "mark"]]) {
    sort.append(make("option", { value, text }));
  }
  if (cohort.measures.length) {
    const group = make("optgroup", { label: "Measurements" });
    for (const { name, title, unit } of cohort.measures) group.append(make("option", { value: "m:" + name, text: title + (unit ? ", " + unit : "") }));
    sort.append(group);
  }
  for (const id of ["find", "from", "to"]) $(id).addEventListener("input", renderList);
  $("show").addEventListener("change", renderList);
  sort.addEventListener("change", () => {
    state.descending = ["severity", "outlier"].includes(sort.value);
    $("from").value = $("to").value = "";
    setOrder();
  });
  $("order").addEventListener("click", () => { state.descending = !state.descending; setOrder(); });
  function setOrder() {
    $("order").setAttribute("aria-pressed", String(state.descending));
    $("order").textContent = state.descending ? "↓" : "↑";
    renderList();
  }
  $("save").addEventListener("click", saveMarks);
  $("table").addEventListener("click", saveTable);
  $("load").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    if ($("file").files.length) loadMarks($("file").files[0]);
    $("file").value = "";
  });
  $("help").addEventListener("click", () => $("keys").showModal());
  recall();
  if (!state.stored) notice("This browser keeps nothing of this page: save the marks before you close it.");
  renderList();
  choose(state.order[0], true);
})();
