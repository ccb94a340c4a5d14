"use strict";
(() => {
  const root = document.documentElement;
  const text = (id) => document.getElementById(id).textContent;
  const index = JSON.parse(text("x-index"));
  const [ABSENT, OWN] = [0, 2];

  document.getElementById("theme").addEventListener("click", () => {
    const isDark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : window.matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
  });

  // deflated bytes, in base 64
  async function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }

  // every cell, as worldvaluesbench.reporting.explorer wrote them: groups, items, sources; then its shares
  function readCells(buffer) {
    const view = new DataView(buffer);
    let at = 0;
    const short = () => { at += 2; return view.getUint16(at - 2, true) / index.step; };
    const shares = (n) => Array.from({ length: n }, short);
    const cell = (n) => {
      let first = null;
      return index.sources.map(() => {
        const kind = view.getUint8(at);
        at += 1;
        if (kind === ABSENT) return null;
        const people = view.getUint32(at, true);
        at += 4;
        const [distance, low, high] = shares(3);
        const corrected = view.getInt16(at, true) / index.step;
        at += 2;
        const floor = short();
        const given = shares(n);
        const humans = kind === OWN ? shares(n) : first;
        first = first || humans;
        return { people, distance, low, high, corrected, floor, given, humans };
      });
    };
    return index.groupings.map((grouping) => grouping.groups.map(() => index.items.map((item) => cell(item.labels.length))));
  }

  const element = (name, content, attributes = {}) => {
    const made = document.createElement(name);
    if (content !== null) made.textContent = content;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const percent = (share) => `${Math.round(share * 100)}%`;
  const three = (value) => value.toFixed(3);

  const controls = ["item", "by", "group"].map((name) => document.getElementById(`x-${name}`));
  const [itemBox, byBox, groupBox] = controls;
  const sourceBox = document.getElementById("x-sources");

  function fillControls() {
    const topics = new Map();
    index.items.forEach((item, place) => {
      if (!topics.has(item.topic)) topics.set(item.topic, itemBox.appendChild(element("optgroup", null, { label: item.topic })));
      topics.get(item.topic).append(element("option", `${item.id} ${item.name}`, { value: place }));
    });
    index.groupings.forEach((grouping, place) => byBox.append(element("option", grouping.name, { value: place })));
    index.sources.forEach((source, place) => {
      const box = element("input", null, { type: "checkbox", value: place, id: `x-source-${place}` });
      box.checked = true;
      const label = element("label", null, { for: box.id });
      label.append(box, ` ${source.name}`);
      sourceBox.append(label);
    });
  }

  function fillGroups() {
    const grouping = index.groupings[byBox.value];
    groupBox.replaceChildren(...grouping.groups.map((group, place) =>
      element("option", byBox.value === "0" ? "everybody" : group, { value: place })));
  }

  const chosen = () => [...sourceBox.querySelectorAll("input")].filter((box) => box.checked).map((box) => Number(box.value));

  // the address says what is shown: #explore?item=Q57&by=continent&group=Asia&answers=one&answers=other
  // what it asks for and is not here is said, and something else shown
  function readLink() {
    const [place, query] = window.location.hash.slice(1).split("?");
    if (place !== "explore" || !query) return;
    const wanted = new URLSearchParams(query);
    const missing = [];
    const find = (list, name, of) => {
      const value = wanted.get(name);
      const found = list.findIndex((one) => of(one) === value);
      if (found < 0 && value) missing.push(value);
      return Math.max(0, found);
    };
    itemBox.value = find(index.items, "item", (item) => item.id);
    byBox.value = find(index.groupings, "by", (grouping) => grouping.id);
    fillGroups();
    groupBox.value = find(index.groupings[byBox.value].groups, "group", (group) => group);
    const asked = wanted.getAll("answers");
    const names = index.sources.map((source) => source.name);
    missing.push(...asked.filter((name) => name && !names.includes(name)));
    const shown = asked.filter((name) => name === "" || names.includes(name));
    sourceBox.querySelectorAll("input").forEach((box) => {
      box.checked = shown.length === 0 || shown.includes(names[box.value]);
    });
    say(missing.length ? `The link asks for ${missing.join(", ")}, which is not here.` : "");
    if (missing.length) writeLink();
    document.getElementById("explore").scrollIntoView();
  }

  function say(words) {
    const note = document.getElementById("x-note");
    note.textContent = words;
    note.hidden = words === "";
  }

  function writeLink() {
    const grouping = index.groupings[byBox.value];
    const query = new URLSearchParams({
      item: index.items[itemBox.value].id, by: grouping.id, group: grouping.groups[groupBox.value] || "",
    });
    const shown = chosen().map((place) => index.sources[place].name);
    if (shown.length === 0) query.append("answers", "");
    if (shown.length < index.sources.length) shown.forEach((name) => query.append("answers", name));
    window.history.replaceState(null, "", `#explore?${query}`);
  }

  function panel(source, item, cell, widest) {
    const made = element("section", null, { class: "panel" });
    made.append(element("h4", source.name));
    if (cell === null) {
      made.append(element("p", `No number: fewer than ${index.minimum} people or answers, or such a cell could be computed from this one.`, { class: "note" }));
      return made;
    }
    made.append(element("p",
      `W1 ${three(cell.distance)}; corrected ${three(Math.max(cell.corrected, 0))} [${three(cell.low)}, ${three(cell.high)}]; ` +
      `noise floor ${three(cell.floor)}; n = ${cell.people.toLocaleString("en")}`, { class: "w1" }));
    item.labels.forEach((label, point) => {
      const row = element("div", null, { class: "row" });
      const track = element("div", null, {
        class: "track", role: "img",
        "aria-label": `${label}: answers ${percent(cell.given[point])}, people ${percent(cell.humans[point])}`,
      });
      const bar = element("div", null, { class: "bar" });
      bar.style.width = `${(100 * cell.given[point]) / widest}%`;
      bar.style.background = source.colour;
      const mark = element("div", null, { class: "mark" });
      mark.style.left = `${(100 * cell.humans[point]) / widest}%`;
      track.append(bar, mark);
      row.append(element("span", label, { class: "label", title: label }), track, element("span", percent(cell.given[point]), { class: "share" }));
      made.append(row);
    });
    return made;
  }

  function table(item, shown) {
    const made = element("table", null);
    made.append(element("caption", `${item.id}: shares of people and answers`));
    const head = made.createTHead().insertRow();
    head.append(element("th", "Scale point", { scope: "col" }));
    shown.forEach(([source]) => {
      head.append(element("th", `${source.name}: people`, { scope: "col" }), element("th", `${source.name}: answers`, { scope: "col" }));
    });
    const body = made.createTBody();
    item.labels.forEach((label, point) => {
      const row = body.insertRow();
      row.append(element("th", label, { scope: "row" }));
      shown.forEach(([, cell]) => {
        row.append(element("td", cell ? percent(cell.humans[point]) : "–"), element("td", cell ? percent(cell.given[point]) : "–"));
      });
    });
    const scroll = element("div", null, { class: "scroll", tabindex: "0", role: "region", "aria-label": "Shares" });
    scroll.append(made);
    return scroll;
  }

  function showPrompt(item, prompts, shown) {
    const place = document.getElementById("x-prompt");
    const found = shown.map(([source]) => [source.name, prompts.texts[prompts.places[source.name]]])
      .filter(([, texts]) => texts && texts[item.id]);
    const parts = found.flatMap(([name, texts]) => [element("h4", name), element("pre", texts[item.id], { tabindex: "0" })]);
    place.replaceChildren(...(parts.length ? parts : [element("p", "It is not known how these answers were asked for.")]));
  }

  // what is folded is printed open, and folded again
  function printOpen() {
    let closed = [];
    window.addEventListener("beforeprint", () => {
      closed = [...document.querySelectorAll("details:not([open])")];
      closed.forEach((one) => { one.open = true; });
    });
    window.addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));
  }

  async function start() {
    fillControls();
    fillGroups();
    printOpen();
    const [cells, promptBytes] = await Promise.all([unpack(text("x-cells")), unpack(text("x-prompts"))]);
    const all = readCells(cells);
    const prompts = JSON.parse(new TextDecoder().decode(promptBytes));
    const draw = () => {
      const item = index.items[itemBox.value];
      const row = all[byBox.value][groupBox.value][itemBox.value];
      const shown = chosen().map((place) => [index.sources[place], row[place]]);
      document.getElementById("x-question").textContent = `${item.id} ${item.question}`;
      // one scale for all panels, so that they can be compared
      const widest = Math.max(0.01, ...shown.flatMap(([, cell]) => (cell ? [...cell.given, ...cell.humans] : [])));
      document.getElementById("x-panels").replaceChildren(...shown.map(([source, cell]) => panel(source, item, cell, widest)));
      document.getElementById("x-table").replaceChildren(table(item, shown));
      showPrompt(item, prompts, shown);
      root.dataset.explorer = "ready";
    };
    const redraw = () => { draw(); writeLink(); say(""); };
    if (index.items.length === 0) {
      document.getElementById("x-panels").replaceChildren(element("p", "There is no item with enough people to be shown."));
      root.dataset.explorer = "ready";
      return;
    }
    readLink();
    draw();
    byBox.addEventListener("change", () => { fillGroups(); redraw(); });
    [itemBox, groupBox, sourceBox].forEach((box) => box.addEventListener("change", redraw));
    window.addEventListener("hashchange", () => { readLink(); draw(); });
    document.getElementById("explorer-form").addEventListener("submit", (event) => event.preventDefault());
  }

  start();
})();
