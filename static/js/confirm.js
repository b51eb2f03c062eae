// Forms: one submission only, and [data-must-equal="word"] opens the button once the word is typed.
document.addEventListener("submit", (event) => {
  const button = event.submitter ?? event.target.querySelector("button[type=submit]");
  if (event.defaultPrevented || event.target.method === "dialog" || !button) return;
  if (button.getAttribute("aria-busy") === "true") return event.preventDefault();
  if (event.target.method === "post") button.setAttribute("aria-busy", "true");
});

for (const name of ["pageshow", "htmx:finally:request"]) {
  window.addEventListener(name, () => {
    for (const button of document.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
  });
}

function judge(input) {
  const right = input.value === input.dataset.mustEqual;
  input.setCustomValidity(right ? "" : `Type ${input.dataset.mustEqual} to go on`);
  for (const button of input.form.querySelectorAll("button[type=submit]")) button.disabled = !right;
}

for (const input of document.querySelectorAll("[data-must-equal]")) judge(input);
document.addEventListener("input", (event) => event.target.matches("[data-must-equal]") && judge(event.target));
