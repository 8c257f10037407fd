"use strict";
// Three small things: tables sort and filter, and one unit's PSTHs and rasters are drawn. All text goes in as text, never as HTML.

for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") === "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      sortRows(table, column, down ? -1 : 1);
    });
  });
}

function sortRows(table, column, sign) {
  const keyed = [...table.tBodies[0].rows].map((row) => [row.cells[column].dataset.sort, row]);
  keyed.sort(([a], [b]) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // rows without a number stay last
    const difference = Number(a) - Number(b);
    return sign * (Number.isNaN(difference) ? a.localeCompare(b) : difference);
  });
  table.tBodies[0].append(...keyed.map(([, row]) => row));
}

const search = document.getElementById("filter-text");
if (search) {
  const verdict = document.getElementById("filter-verdict");
  const rows = [...document.querySelectorAll("#comparison-table tbody tr")];
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = `${row.dataset.key} ${row.textContent}`.toLowerCase();
      const fits = !verdict.value || row.dataset.verdicts.split("|").includes(verdict.value);
      row.hidden = !(fits && words.every((word) => text.includes(word)));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    document.getElementById("filter-count").textContent = `${shown} of ${rows.length} rows`;
  };
  search.addEventListener("input", filter);
  verdict.addEventListener("change", filter);
  filter();
}

const payload = document.getElementById("units-data");
if (payload) browseUnits(JSON.parse(payload.textContent));

function browseUnits(data) {
  const animalSelect = document.getElementById("unit-animal");
  const unitSelect = document.getElementById("unit-unit");
  const order = document.getElementById("unit-order");
  const event = document.getElementById("unit-event");
  const options = (select, values) => select.replaceChildren(...values.map((value) => new Option(value, value)));
  options(animalSelect, data.animals.map((animal) => animal.animal));

  const animalNow = () => data.animals.find((animal) => String(animal.animal) === animalSelect.value);
  const listUnits = (keep) => {
    const animal = animalNow();
    const by = order.value;
    const rank = (row) => (by === "rate" ? -row.rate : by in row.p ? row.p[by] ?? 2 : row.unit); // untested units last
    const sorted = [...animal.units].sort((a, b) => rank(a) - rank(b));
    options(unitSelect, sorted.map((row) => row.unit));
    if (sorted.some((row) => String(row.unit) === keep)) unitSelect.value = keep;
  };
  const drawNow = () => {
    const unit = animalNow().units.find((row) => String(row.unit) === unitSelect.value);
    drawUnit(data, animalNow(), unit, event.selectedIndex);
  };
  const show = () => {
    drawNow();
    history.replaceState(null, "", `#animal=${animalSelect.value}&unit=${unitSelect.value}`);
  };
  const move = (select, by) => {
    const next = select.selectedIndex + by;
    if (next < 0 || next >= select.options.length) return;
    const keep = unitSelect.value;
    select.selectedIndex = next;
    if (select === animalSelect) listUnits(keep);
    show();
  };
  const followHash = () => {
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (!wanted.has("animal") && !wanted.has("unit")) return false;
    if (data.animals.some((animal) => String(animal.animal) === wanted.get("animal"))) animalSelect.value = wanted.get("animal");
    listUnits(wanted.get("unit"));
    return true;
  };

  animalSelect.addEventListener("change", () => { listUnits(unitSelect.value); show(); });
  unitSelect.addEventListener("change", show);
  order.addEventListener("change", () => { listUnits(); show(); });
  event.addEventListener("change", show);
  document.getElementById("unit-previous").addEventListener("click", () => move(unitSelect, -1));
  document.getElementById("unit-next").addEventListener("click", () => move(unitSelect, 1));
  document.getElementById("unit-view").addEventListener("keydown", (pressed) => {
    const way = { ArrowLeft: [unitSelect, -1], ArrowRight: [unitSelect, 1], ArrowUp: [animalSelect, -1], ArrowDown: [animalSelect, 1] };
    if (!(pressed.key in way)) return;
    pressed.preventDefault();
    move(...way[pressed.key]);
  });
  window.addEventListener("hashchange", () => { if (followHash()) show(); });

  if (followHash()) {
    show();
    document.getElementById("browser").scrollIntoView();
  } else {
    listUnits();
    drawNow(); // the address stays as it was until someone chooses
  }
}

function drawUnit(data, animal, unit, place) {
  const kind = unit.excitatory ? "excitatory" : "inhibitory";
  document.getElementById("unit-name").textContent = `Animal ${animal.animal}, unit ${unit.unit}, ${kind}`;
  const spoken = (name) => name.replaceAll("_", " ");
  const facts = [["type", unit.excitatory ? "E (excitatory)" : "I (inhibitory)"], ["time constant", amount(unit.tau, "s")],
    ["mean rate", amount(unit.rate, "Hz")], ...Object.entries(unit.p).map(([name, p]) => [`p, ${spoken(name)}`, probability(p), p]),
    ...Object.entries(unit.latency).map(([name, s]) => [`${spoken(name)} coded`, s === null ? "not before the choice" : `from ${signed(s)} s to the choice`])];
  document.getElementById("unit-facts").replaceChildren(...facts.map(([name, text, p]) => {
    const value = make("dd", {}, text);
    if (p !== undefined && p !== null && p < 0.05) value.className = "selective";
    const pair = make("div");
    pair.append(make("dt", {}, name), value);
    return pair;
  }));
  const { name, times } = data.events[place];
  const [mean, sem] = [unit.mean[place], unit.sem[place]];
  const numbers = unit.mean.flatMap((curves, event) => curves.flatMap((means, group) =>
    means.map((value, time) => value + (unit.sem[event][group][time] ?? 0))));
  const top = niceTop(Math.max(0.1, ...numbers)); // one scale whatever the event
  const kinds = [...new Set(data.groups.map(([each]) => each))];
  const drawn = { name, times, mean, sem, top, raster: alignSpikes(animal.trials, unit.spikes, name) };
  document.getElementById("unit-plots").replaceChildren(...kinds.map((each) => plotGroups(data.groups, drawn, each)));
  document.getElementById("unit-times").replaceChildren(make("th", { scope: "col" }, "group"),
    ...times.map((time) => make("th", { scope: "col" }, signed(time))));
  document.getElementById("unit-numbers").replaceChildren(...data.groups.map(([each, group], index) => {
    const row = make("tr");
    row.append(make("th", { scope: "row" }, `${each}: ${group}`), ...mean[index].map((value, time) =>
      make("td", {}, value === null ? "" : `${value.toFixed(2)} ± ${(sem[index][time] ?? NaN).toFixed(2)}`)));
    return row;
  }));
}

function alignSpikes(trials, spikes, event) {
  const other = Object.keys(trials.events).find((name) => name !== event);
  return spikes.map((train, trial) => {
    const at = trials.events[event][trial]; // in s from the cue, as spikes are in ms
    const groups = Object.fromEntries(Object.entries(trials.groups).map(([kind, places]) => [kind, places[trial]]));
    return { times: train.map((time) => time / 1000 - at), other: other && trials.events[other][trial] - at, groups };
  });
}

function plotGroups(groups, drawn, kind) {
  const { name, times, mean, sem, top, raster } = drawn;
  const members = groups.map(([own, group], index) => ({ own, group, index })).filter(({ own }) => own === kind);
  const half = times.length > 1 ? (times[1] - times[0]) / 2 : 0.025;
  const [first, last] = [times[0] - half, times[times.length - 1] + half];
  const rows = members.flatMap(({ index }, series) => raster.filter(({ groups: own }) => own[kind] === index).map((trial) => ({ ...trial, series })));
  const [width, left, right, above, rowHeight] = [460, 46, 12, 26, 3];
  const psthTop = above + rows.length * rowHeight + (rows.length ? 10 : 0);
  const bottom = psthTop + 170;
  const height = bottom + 40;
  const x = (time) => left + ((time - first) / (last - first)) * (width - left - right);
  const y = (rate) => bottom - (rate / top) * (bottom - psthTop);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Activity around the ${name}, split by ${kind}` });
  for (let tick = 0; tick <= 4; tick++) {
    const rate = (top * tick) / 4;
    svg.append(draw("line", { class: tick ? "grid" : "axis", x1: left, x2: width - right, y1: y(rate), y2: y(rate) }),
      draw("text", { x: left - 7, y: y(rate) + 4, "text-anchor": "end" }, String(Number(rate.toPrecision(3)))));
  }
  for (let time = Math.ceil(first / 0.5 - 1e-6) * 0.5; time <= last + 1e-6; time += 0.5) {
    svg.append(draw("line", { class: "axis", x1: x(time), x2: x(time), y1: bottom, y2: bottom + 4 }),
      draw("text", { x: x(time), y: bottom + 18, "text-anchor": "middle" }, signed(time)));
  }
  svg.append(draw("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, `time from ${name} (s)`),
    draw("text", { transform: `translate(9 ${(psthTop + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, "activity (Hz)"));
  if (rows.length) svg.append(draw("text", { transform: `translate(9 ${(above + psthTop - 10) / 2}) rotate(-90)`, "text-anchor": "middle" }, "trials"));
  const inside = (time) => time >= first && time <= last;
  const between = raster.map(({ other }) => other).filter((other) => other !== undefined).sort((a, b) => a - b);
  const median = between[Math.floor(between.length / 2)];
  if (median !== undefined && inside(median)) svg.append(draw("line", { class: "other", x1: x(median), x2: x(median), y1: psthTop, y2: bottom }));

  members.forEach(({ group, index }, series) => {
    const known = times.map((time, place) => ({ time, mean: mean[index][place], sem: sem[index][place] ?? 0 })).filter((point) => point.mean !== null);
    const slot = left + (series * (width - left - right)) / members.length;
    const part = draw("g", { class: `series ${kind}-${series}` });
    const edge = (sign) => known.map((point) => `${x(point.time)},${y(Math.max(0, point.mean + sign * point.sem))}`);
    const dash = ["none", "6 3", "2 3"][kind === "value" ? 2 - series : series] ?? "none";
    const ticks = rows.map((trial, row) => ({ ...trial, top: above + row * rowHeight })).filter((trial) => trial.series === series)
      .flatMap((trial) => trial.times.filter(inside).map((time) => `M${x(time).toFixed(1)} ${trial.top}v${rowHeight - 0.6}`));
    part.append(draw("polygon", { class: "band", points: [...edge(1), ...edge(-1).reverse()].join(" ") }),
      draw("polyline", { class: "line", points: known.map((point) => `${x(point.time)},${y(point.mean)}`).join(" "), "stroke-dasharray": dash }),
      draw("path", { class: "spikes", d: ticks.join("") }),
      draw("line", { class: "line", x1: slot, x2: slot + 26, y1: 10, y2: 10, "stroke-dasharray": dash }));
    svg.append(part, draw("text", { x: slot + 32, y: 14 }, `${kind} ${group}`));
  });
  svg.append(...rows.map(({ other }, row) => ({ other, row })).filter(({ other }) => other !== undefined && inside(other))
    .map(({ other, row }) => draw("circle", { class: "event", cx: x(other), cy: above + (row + 0.5) * rowHeight, r: 1.3 })));
  svg.append(draw("line", { class: "event", x1: x(0), x2: x(0), y1: above, y2: bottom }));
  return svg;
}

function signed(value) {
  return String(Number(value.toFixed(3))).replace("-", "\u2212");
}

function niceTop(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  return size * [1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].find((step) => step * size >= value * 0.9999);
}

function amount(value, unit) {
  return value === null ? "not known" : `${Number(value.toPrecision(3))} ${unit}`;
}

function probability(p) {
  return p === null ? "not tested" : p < 0.001 ? "< .001" : p.toFixed(3).replace(/^0/, "");
}

function make(tag, attributes = {}, text) {
  return fill(document.createElement(tag), attributes, text);
}

function draw(tag, attributes = {}, text) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, text);
}

function fill(element, attributes, text) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}
