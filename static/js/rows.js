// Editors of repeated rows (form fields, mappings): add from a template, move, remove.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-add-row], [data-remove-row], [data-move]");
  if (!button) return;
  if (button.dataset.addRow) add(button.dataset.addRow);
  const row = button.closest("[data-row]");
  if (button.hasAttribute("data-remove-row")) remove(row);
  if (button.dataset.move) move(row, button);
});

function add(id) {
  const rows = document.getElementById(id);
  const fresh = document.getElementById(`${id}-row`).content.cloneNode(true);
  const number = `${rows.children.length}${Date.now() % 100000}`;
  for (const element of fresh.querySelectorAll("*")) {
    for (const attribute of element.attributes) attribute.value = attribute.value.replaceAll("__n__", number);
  }
  rows.append(fresh);
  rows.lastElementChild.querySelector("input, select")?.focus();
  changed(rows);
}

function remove(row) {
  const rows = row.parentElement;
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  next?.querySelector("input, select")?.focus();
  changed(rows);
}

function move(row, button) {
  const other = button.dataset.move === "up" ? row.previousElementSibling : row.nextElementSibling;
  if (!other?.hasAttribute("data-row")) return;
  button.dataset.move === "up" ? other.before(row) : other.after(row);
  button.focus();
  changed(row.parentElement);
}

function changed(rows) {
  rows.dispatchEvent(new Event("change", { bubbles: true }));
}
