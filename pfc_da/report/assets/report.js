"use strict";
// Three small things: tables sort and filter, and one unit's activity is drawn. All text goes in as text, never as HTML.

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
  const show = () => {
    const unit = animalNow().units.find((row) => String(row.unit) === unitSelect.value);
    drawUnit(data, animalSelect.value, unit);
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
  document.getElementById("unit-previous").addEventListener("click", () => move(unitSelect, -1));
  document.getElementById("unit-next").addEventListener("click", () => move(unitSelect, 1));
  document.getElementById("unit-view").addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [unitSelect, -1], ArrowRight: [unitSelect, 1], ArrowUp: [animalSelect, -1], ArrowDown: [animalSelect, 1] };
    if (!(event.key in way)) return;
    event.preventDefault();
    move(...way[event.key]);
  });
  window.addEventListener("hashchange", () => { if (followHash()) show(); });

  if (followHash()) {
    show();
    document.getElementById("browser").scrollIntoView();
  } else {
    listUnits();
    const unit = animalNow().units.find((row) => String(row.unit) === unitSelect.value);
    drawUnit(data, animalSelect.value, unit); // the address stays as it was until someone chooses
  }
}

function drawUnit(data, animal, unit) {
  const kind = unit.excitatory ? "excitatory" : "inhibitory";
  document.getElementById("unit-name").textContent = `Animal ${animal}, unit ${unit.unit}, ${kind}`;
  const facts = [["type", unit.excitatory ? "E (excitatory)" : "I (inhibitory)"], ["time constant", amount(unit.tau, "s")],
    ["mean rate", amount(unit.rate, "Hz")], ...Object.entries(unit.p).map(([name, p]) => [`p, ${name.replaceAll("_", " ")}`, probability(p), p])];
  document.getElementById("unit-facts").replaceChildren(...facts.map(([name, text, p]) => {
    const value = make("dd", {}, text);
    if (p !== undefined && p !== null && p < 0.05) value.className = "selective";
    const pair = make("div");
    pair.append(make("dt", {}, name), value);
    return pair;
  }));
  const numbers = unit.mean.flatMap((means, group) => means.map((mean, step) => mean + (unit.sem[group][step] ?? 0)));
  const top = niceTop(Math.max(0.1, ...numbers));
  const kinds = [...new Set(data.groups.map(([name]) => name))];
  document.getElementById("unit-plots").replaceChildren(...kinds.map((name) => plotGroups(data, unit, name, top)));
  document.getElementById("unit-numbers").replaceChildren(...data.groups.map(([name, group], index) => {
    const row = make("tr");
    row.append(make("th", { scope: "row" }, `${name}: ${group}`), ...unit.mean[index].map((mean, step) =>
      make("td", {}, mean === null ? "" : `${mean.toFixed(2)} ± ${(unit.sem[index][step] ?? NaN).toFixed(2)}`)));
    return row;
  }));
}

function plotGroups(data, unit, kind, top) {
  const [width, height, left, right, above, below] = [460, 250, 46, 12, 30, 44];
  const x = (step) => left + ((step + 0.5) * (width - left - right)) / data.phases.length;
  const y = (rate) => height - below - (rate / top) * (height - above - below);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Activity over the steps of a trial, split by ${kind}` });
  for (let tick = 0; tick <= 4; tick++) {
    const rate = (top * tick) / 4;
    svg.append(draw("line", { class: tick ? "grid" : "axis", x1: left, x2: width - right, y1: y(rate), y2: y(rate) }),
      draw("text", { x: left - 7, y: y(rate) + 4, "text-anchor": "end" }, String(Number(rate.toPrecision(3)))));
  }
  data.phases.forEach((phase, step) => svg.append(draw("text", { x: x(step), y: height - below + 18, "text-anchor": "middle" }, phase)));
  svg.append(draw("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, "step of the trial"),
    draw("text", { transform: `translate(12 ${(above + height - below) / 2}) rotate(-90)`, "text-anchor": "middle" }, "activity (Hz)"));

  const members = data.groups.map(([name, group], index) => ({ name, group, index })).filter(({ name }) => name === kind);
  members.forEach(({ group, index }, series) => {
    const steps = unit.mean[index].map((mean, step) => ({ mean, sem: unit.sem[index][step] ?? 0, step })).filter(({ mean }) => mean !== null);
    const slot = left + (series * (width - left - right)) / members.length;
    const part = draw("g", { class: `series ${kind}-${series}` });
    const edge = (sign) => steps.map(({ mean, sem, step }) => `${x(step)},${y(Math.max(0, mean + sign * sem))}`);
    const dash = ["none", "6 3", "2 3"][kind === "value" ? 2 - series : series] ?? "none";
    part.append(draw("polygon", { class: "band", points: [...edge(1), ...edge(-1).reverse()].join(" ") }),
      draw("polyline", { class: "line", points: steps.map(({ mean, step }) => `${x(step)},${y(mean)}`).join(" "), "stroke-dasharray": dash }),
      ...steps.map(({ mean, step }) => mark(series, x(step), y(mean))),
      draw("line", { class: "line", x1: slot, x2: slot + 26, y1: 12, y2: 12, "stroke-dasharray": dash }), mark(series, slot + 13, 12));
    svg.append(part, draw("text", { x: slot + 32, y: 16 }, `${kind} ${group}`));
  });
  return svg;
}

function mark(series, x, y) {
  if (series === 0) return draw("circle", { class: "mark", cx: x, cy: y, r: 3.5 });
  if (series === 1) return draw("rect", { class: "mark", x: x - 3.2, y: y - 3.2, width: 6.4, height: 6.4 });
  return draw("polygon", { class: "mark", points: `${x},${y - 4.5} ${x + 4.2},${y + 3.2} ${x - 4.2},${y + 3.2}` });
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
