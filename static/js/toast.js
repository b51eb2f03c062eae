// Toasts: dismissed by their button; one is shown when a request of htmx fails. That somebody is logged out is told for as
// long as it lasts.
const SHOWN_MS = 8000;

document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast")?.remove());
document.addEventListener("htmx:after:request", (event) => {
  if (event.detail.ctx.response.status < 400) document.querySelector("[data-logged-out]")?.remove();
});

for (const name of ["htmx:error", "htmx:response:error"]) {
  document.addEventListener(name, (event) => {
    const status = event.detail?.ctx?.response?.status;
    if (status === 422 || document.querySelector("[data-made-here]")) return;
    const kind = status === 401 ? "logged-out" : "failed";
    const toast = document.getElementById(kind)?.content.firstElementChild.cloneNode(true);
    if (toast) document.querySelector(".toasts").append(toast);
    if (kind === "failed") setTimeout(() => toast?.remove(), SHOWN_MS);
  });
}
