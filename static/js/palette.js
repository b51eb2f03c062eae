// Ctrl/Cmd-K: go to, create, switch org. The list is made of the links the page has already.
const palette = document.getElementById("palette");
const field = palette?.querySelector("input");
const list = palette?.querySelector("ul");
let entries = [];

if (palette) {
  for (const opener of document.querySelectorAll("[data-palette-open]")) opener.hidden = false;
  if (/Mac|iPhone|iPad/.test(navigator.platform)) {
    for (const key of document.querySelectorAll("[data-hotkey]")) key.textContent = "⌘K";
  }
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    palette.open ? palette.close() : open();
  });
  document.addEventListener("click", (event) => event.target.closest("[data-palette-open]") && open());
  field.addEventListener("input", show);
  field.addEventListener("keydown", onKey);
  list.addEventListener("click", (event) => follow(event.target.closest("li")));
  list.addEventListener("mousemove", (event) => select(event.target.closest("li")));
}

function open() {
  entries = [
    ...collect("[data-palette-actions] a", "Create"),
    ...collect(".nav [data-go]", "Go to"),
    ...collect("[data-org]:not([aria-current])", "Switch"),
  ];
  document.getElementById("nav")?.hidePopover?.();
  field.value = "";
  palette.showModal();
  show();
}

function collect(selector, kind) {
  return [...document.querySelectorAll(selector)].map((link) => ({
    kind,
    url: link.href,
    label: (link.querySelector("span:not(.avatar)") ?? link).textContent.trim(),
    mark: link.querySelector(".icon, .avatar"),
  }));
}

function show() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = entries.filter((entry) => words.every((word) => `${entry.kind} ${entry.label}`.toLowerCase().includes(word)));
  const search = palette.dataset.searchUrl;
  if (words.length && search) {
    const url = search + (search.includes("?") ? "&" : "?") + new URLSearchParams({ q: field.value.trim() });
    found.push({ kind: "Search", url, label: `Leads for “${field.value.trim()}”`, mark: palette.querySelector(".icon") });
  }
  list.replaceChildren(...found.map(item));
  select(list.firstElementChild);
}

function item(entry, index) {
  const row = document.createElement("li");
  row.id = `palette-${index}`;
  row.setAttribute("role", "option");
  row.dataset.url = entry.url;
  const kind = document.createElement("small");
  kind.textContent = entry.kind;
  if (entry.mark) row.append(entry.mark.cloneNode(true));
  row.append(entry.label, kind);
  return row;
}

function select(row) {
  if (!row) return;
  for (const other of list.children) other.setAttribute("aria-selected", String(other === row));
  field.setAttribute("aria-activedescendant", row.id);
}

function onKey(event) {
  const now = list.querySelector("[aria-selected=true]");
  if (event.key === "Enter") follow(now);
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  event.preventDefault();
  const next = event.key === "ArrowDown" ? now?.nextElementSibling ?? list.firstElementChild : now?.previousElementSibling ?? list.lastElementChild;
  select(next);
  next?.scrollIntoView({ block: "nearest" });
}

function follow(row) {
  if (row) location.href = row.dataset.url;
}
