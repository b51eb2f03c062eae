// The box in a table's head ticks every row; the bulk bar says how many are ticked.
document.addEventListener("change", (event) => {
  const table = event.target.closest(".table");
  if (!table) return;
  const boxes = [...table.querySelectorAll("tbody .check input")];
  const all = table.querySelector("[data-check-all]");
  if (event.target === all) for (const box of boxes) box.checked = all.checked;
  const ticked = boxes.filter((box) => box.checked).length;
  if (all) {
    all.checked = ticked > 0 && ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  }
  const count = table.parentElement.querySelector("[data-check-count]");
  if (count) count.textContent = `${ticked} selected`;
});
