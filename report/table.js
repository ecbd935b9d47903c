// Sorts a table by the column whose heading is pressed, and hides the rows that do not hold the words of its filter.
"use strict";
for (const box of document.querySelectorAll("[data-table]")) {
  const body = box.querySelector("tbody");
  const heads = [...box.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.sort;
      const compare = head.classList.contains("number")
        ? (a, b) => value(a) - value(b)
        : (a, b) => value(a).localeCompare(value(b));
      const [full, empty] = [[], []]; // rows without a value stay at the end, whatever the order
      for (const row of body.rows) (value(row) === "" ? empty : full).push(row);
      full.sort((a, b) => (down ? -1 : 1) * compare(a, b));
      body.append(...full, ...empty);
    });
  });
  const filter = box.querySelector("input");
  const shown = box.querySelector("output");
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = `${count} of ${body.rows.length} rows`;
  });
}
// A link to a row within a closed section opens that section.
const open = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let parent = target.closest("details"); parent; parent = parent.parentElement.closest("details")) parent.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", open);
open();
