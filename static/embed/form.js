// The form on somebody else's website. FORM stands in front of this: {url, key, fields, submit, thanks, redirect}.
// A page that has its own <form action="FORM.url"> keeps it, and only gets the attribution added to it.
// Nothing is kept in the browser before consent: put data-storage="granted" on the script, or call
// window.site2crm.consent(), and the first touch is remembered. Only a form that was sent and has not arrived is kept.
const script = document.currentScript;
const NAMES = ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "gclid", "gbraid", "wbraid",
  "fbclid", "msclkid", "ttclid", "li_fat_id", "s2c_click"];
const TOUCH = "s2c_touch";
const UNSENT = "s2c_unsent";
const LONGEST = 500;
const KEEP_MS = 7 * 24 * 3600 * 1000;
const WAITS_MS = [1000, 4000, 15000];
const opened = Date.now();

function here() {
  const query = new URLSearchParams(location.search);
  const touch = {};
  for (const name of NAMES) if (query.get(name)) touch[name] = query.get(name).slice(0, LONGEST);
  if (document.referrer && new URL(document.referrer).origin !== location.origin) {
    touch.referrer = address(document.referrer);
  }
  touch.landing_url = address(location.href);
  return touch;
}

// Without the click's token, which is this visitor's own: who opens the address later is somebody else.
function address(text) {
  const url = new URL(text);
  url.hash = "";
  if (url.searchParams.has("s2c_click")) url.searchParams.delete("s2c_click");
  return url.href.slice(0, LONGEST);
}

function stored(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function keep(key, value) {
  try {
    value === null ? localStorage.removeItem(key) : localStorage.setItem(key, JSON.stringify(value));
  } catch {
    return; // storage is off or full: the form works without it
  }
}

let touches = stored(TOUCH, null);
const arrival = here();

function remember() {
  const fresh = Object.keys(arrival).some((name) => NAMES.includes(name) || name === "referrer");
  touches ??= { first: arrival, last: arrival };
  if (fresh) touches.last = arrival;
  keep(TOUCH, touches);
}

function attribution() {
  const last = touches?.last ?? arrival;
  const pairs = Object.entries(last).concat([["page_url", address(location.href)]]);
  for (const [name, value] of Object.entries(touches?.first ?? {})) pairs.push([`s2c_first_${name}`, value]);
  return pairs;
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== "") made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const AUTOCOMPLETE = { email: "email", phone: "tel", name: "name", first_name: "given-name", last_name: "family-name",
  company: "organization" };
const INPUT = { email: "email", phone: "tel" };

function question(field) {
  const { name, type, text = "", required = false, placeholder, choices = [] } = field;
  if (type === "hidden") return element("input", { type: "hidden", name, value: text });
  if (type === "consent") {
    const box = element("input", { type: "checkbox", name, value: text, required });
    return element("p", { class: "consent" }, element("label", {}, box, " ", text));
  }
  const id = `s2c-${FORM.key}-${name}`;
  let input = element("input", { id, name, required, placeholder, type: INPUT[type] ?? "text",
    autocomplete: AUTOCOMPLETE[type] ?? "off" });
  if (type === "message") input = element("textarea", { id, name, required, placeholder, rows: "5" });
  if (type === "choice") {
    input = element("select", { id, name, required }, element("option", { value: "" }, "…"));
    input.firstChild.value = "";
    for (const choice of choices) input.append(element("option", {}, choice));
  }
  return element("p", {}, element("label", { for: id }, field.label || name, required ? " *" : ""), input);
}

const STYLE = `
:host { display: block; font: inherit; color: inherit; max-width: 36rem; }
p { margin: 0 0 1em; } label { display: block; margin-bottom: .3em; font-weight: 500; }
input:not([type=checkbox]), textarea, select { box-sizing: border-box; width: 100%; padding: .55em .7em; font: inherit;
  color: inherit; background: Field; border: 1px solid GrayText; border-radius: .4em; }
.consent label { font-weight: 400; } .trap { position: absolute; left: -99rem; } [role=alert] { color: #b3261e; }
button { padding: .6em 1.2em; font: inherit; font-weight: 600; border: 0; border-radius: .4em; cursor: pointer;
  background: var(--s2c-accent, #3b5bdb); color: var(--s2c-on-accent, #fff); } button:disabled { opacity: .6; }
:focus-visible { outline: 2px solid var(--s2c-accent, #3b5bdb); outline-offset: 2px; }`;

function render() {
  const place = document.querySelector(`[data-site2crm="${FORM.key}"]`) ?? element("div");
  if (!place.isConnected) script.after(place);
  const root = place.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  const trap = element("input", { name: "_gotcha", tabindex: "-1", autocomplete: "off", "aria-hidden": "true" });
  const note = element("p", { role: "alert", hidden: true });
  const form = element("form", { method: "post", action: FORM.url }, ...FORM.fields.map(question),
    element("p", { class: "trap" }, trap), note, element("button", { type: "submit" }, FORM.submit));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(form, note);
  });
  root.append(form);
}

async function submit(form, note) {
  const button = form.querySelector("button");
  button.disabled = true;
  note.hidden = true;
  const body = new URLSearchParams([...new FormData(form), ...attribution(),
    ["s2c_key", (form.dataset.key ??= crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`)],
    ["s2c_open_ms", String(Date.now() - opened)]]);
  const entry = { url: FORM.url, body: String(body), at: Date.now() };
  keep(UNSENT, [...stored(UNSENT, []), entry]);
  const refusal = await attempt(entry);
  if (refusal === "later") retry(entry);
  if (refusal === null || refusal === "later") return done(form);
  note.textContent = refusal;
  note.hidden = false;
  button.disabled = false;
}

// null: it has arrived. "later": no answer yet, it is kept and sent again. Else why it was refused.
async function attempt(entry) {
  try {
    const answer = await fetch(entry.url, { method: "POST", body: new URLSearchParams(entry.body), keepalive: true });
    if (!answer.ok && (answer.status >= 500 || answer.status === 429 || answer.status === 408)) return "later";
    keep(UNSENT, without(entry));
    return answer.ok ? null : ((await answer.json().catch(() => ({}))).detail ?? "This could not be sent.");
  } catch {
    return "later"; // offline, or the server is being restarted
  }
}

// The visitor does not wait for this; what is still unsent when the page closes goes with the next visit.
async function retry(entry) {
  for (const wait of WAITS_MS) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    if ((await attempt(entry)) !== "later") return;
  }
}

async function resend(entry) {
  if ((await attempt(entry)) === "later") retry(entry);
}

function without(entry) {
  const left = stored(UNSENT, []).filter((other) => other.body !== entry.body);
  return left.length ? left : null;
}

function done(form) {
  if (FORM.redirect) return location.assign(FORM.redirect);
  const thanks = element("p", { role: "status", tabindex: "-1" }, FORM.thanks);
  form.replaceWith(thanks);
  thanks.focus();
}

function enrich(form) {
  form.addEventListener("submit", () => {
    for (const old of form.querySelectorAll("[data-s2c]")) old.remove();
    const pairs = [...attribution(), ["s2c_open_ms", String(Date.now() - opened)]];
    for (const [name, value] of pairs) {
      const own = form.elements.namedItem(name);
      if (!own) form.append(element("input", { type: "hidden", name, value, "data-s2c": true }));
      else if (own.type === "hidden" && !own.value) own.value = value;
    }
  });
}

function begin() {
  const own = [...document.forms].filter((form) => form.action === FORM.url);
  if (own.length) own.forEach(enrich);
  else render();
  for (const entry of stored(UNSENT, [])) {
    if (Date.now() - entry.at < KEEP_MS && entry.url === FORM.url) resend(entry);
    else if (Date.now() - entry.at >= KEEP_MS) keep(UNSENT, without(entry));
  }
}

window.site2crm = Object.assign(window.site2crm ?? {}, { consent: remember });
if (script?.dataset.storage === "granted" || touches) remember();
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
else begin();
