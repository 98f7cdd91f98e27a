"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const body = document.getElementById("rows");
  const search = document.getElementById("search");
  const status = document.getElementById("status");
  const shown = document.getElementById("shown");
  const more = document.getElementById("more");
  const PAGE = 200;
  let found = [];
  let count = 0;

  function keyOf(row) {
    const [path, , , , partition, tail] = row;
    if (partition === null) return "";
    return data.partitions[partition] + (typeof tail === "number" ? path.slice(path.length - tail) : tail);
  }

  function cell(line, text, kind) {
    const made = line.insertCell();
    made.textContent = text;
    if (kind) made.className = kind;
  }

  function show() {
    for (const row of found.slice(count, count + PAGE)) {
      const line = body.insertRow();
      const name = data.statuses[row[1]];
      cell(line, row[0]);
      cell(line, name, name === "failed" ? "failed" : "");
      cell(line, row[2].toLocaleString("en"), "number");
      cell(line, row[3] === null ? "" : row[3].toFixed(3), "number wide");
      cell(line, keyOf(row), "wide");
    }
    count = Math.min(count + PAGE, found.length);
    shown.textContent = `${count.toLocaleString("en")} of ${found.length.toLocaleString("en")} shown`;
    more.hidden = count === found.length;
  }

  function select() {
    const text = search.value.toLowerCase();
    found = data.rows.filter(
      (row) =>
        (status.value === "" || data.statuses[row[1]] === status.value) &&
        (text === "" || row[0].toLowerCase().includes(text) || keyOf(row).toLowerCase().includes(text)),
    );
    body.replaceChildren();
    count = 0;
    show();
  }

  search.addEventListener("input", select);
  status.addEventListener("change", select);
  more.addEventListener("click", show);
  document.getElementById("objects").hidden = false;
  select();
})();
