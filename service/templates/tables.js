// Search, sorting and saving for every table with a head, on the service's pages and in the files of a week.
// Without this script the tables stand as they are.
"use strict";
(() => {
  const zh = document.documentElement.lang.startsWith("zh"), FEW = 5;
  const words = zh ? { find: "在表中查找", save: "存成表格", shown: "行" } : { find: "Find in the table", save: "Save as CSV", shown: "rows" };
  const make = (name, more) => Object.assign(document.createElement(name), more);
  const text = (cell) => (cell.querySelector("progress") ? String(cell.querySelector("progress").value) : cell.textContent.replace(/\s+/g, " ").trim());
  const number = (value) => { const found = value.replace(/[,%]/g, "").match(/^[≥≤]?-?\d+(\.\d+)?(?![\d-])/); return found ? Number(found[0].replace(/[≥≤]/, "")) : NaN; };

  function compare(a, b) {
    const [x, y] = [number(a), number(b)];
    if (!a !== !b) return a ? -1 : 1; // what is empty comes last
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, zh ? "zh" : "en", { numeric: true }) : x - y;
  }

  function sortable(table, body) {
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      const button = make("button", { type: "button", className: "sort" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].map((row) => [row.cells[place] ? text(row.cells[place]) : "", row]);
        rows.sort(([a], [b]) => (down ? -1 : 1) * compare(a, b));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  // A text that a spreadsheet would take for a formula stays a text.
  const quoted = (value) => `"${(/^[=+\-@\t]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : value).replaceAll('"', '""')}"`;

  function save(table, name) {
    const rows = [...table.rows].filter((row) => !row.hidden);
    const lines = rows.map((row) => [...row.cells].map((cell) => quoted(text(cell))).join(","));
    const link = make("a", { href: URL.createObjectURL(new Blob(["\ufeff", lines.join("\r\n")], { type: "text/csv" })), download: `${name}.csv` });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  document.querySelectorAll("table").forEach((table, place) => {
    if (!table.tHead || table.closest("article") || !table.tBodies[0] || table.tBodies[0].rows.length < 2) return;
    const body = table.tBodies[0], region = table.closest("[role=region]");
    const title = (table.caption && text(table.caption)) || (region && region.getAttribute("aria-label")) || `${document.title} ${place + 1}`;
    const tools = make("div", { className: "table-tools" });
    if (body.rows.length > FEW) {
      const find = make("input", { type: "search", placeholder: words.find });
      const shown = make("span", { className: "soft", role: "status" });
      find.setAttribute("aria-label", `${words.find}：${title}`);
      find.addEventListener("input", () => {
        const wanted = find.value.trim().toLowerCase();
        for (const row of body.rows) row.hidden = !text(row).toLowerCase().includes(wanted);
        shown.textContent = wanted ? `${[...body.rows].filter((row) => !row.hidden).length} ${words.shown}` : "";
      });
      tools.append(find, shown);
    }
    const button = make("button", { type: "button", textContent: words.save });
    button.setAttribute("aria-label", `${words.save}：${title}`);
    button.addEventListener("click", () => save(table, title));
    tools.append(button);
    sortable(table, body);
    (region || table).before(tools);
  });
})();
