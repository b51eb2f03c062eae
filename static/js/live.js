// [data-refresh-url]: asks again every data-refresh-seconds while in sight, and at each event of data-refresh-events.
// Never while one is busy inside it: a ticked row, a focused field or an open menu would be taken away, as would what a
// refused filter has to say. An event that comes meanwhile, or while the page is out of sight, is made up for afterwards.
const BUSY = ":focus, :checked, :popover-open, dialog[open], details[open], [data-problem]";
const EVENT_PAUSE_MS = 100;
const AGAIN_MS = 2000;
const AGAIN_AT_MOST_MS = 300_000;
const loaded = Date.now();
const refreshed = new Map(); // id -> when; a swap would take away what is noted on the element itself
const stale = new Set();
const asked = new WeakMap(); // element -> the address it was last asked at

// Parts of a page that ask at the same moment share an answer: always one from after the event that they ask for.
const shared = new Map();
function together(url, options) {
  if (!shared.has(url)) {
    shared.set(url, fetch(url, options));
    setTimeout(() => shared.delete(url), EVENT_PAUSE_MS / 2);
  }
  return shared.get(url).then((answer) => answer.clone());
}

async function refresh(element, now = Date.now()) {
  if (document.hidden || !element.isConnected || element.querySelector(BUSY)) return;
  stale.delete(element.id);
  refreshed.set(element.id, now);
  const target = `#${element.id}`;
  const url = element.dataset.refreshUrl;
  asked.set(element, url);
  // Its own source: of requests of one source htmx keeps one waiting and drops the third.
  await window.htmx.ajax("GET", url, { source: element, target, select: target, swap: "outerMorph", fetch: together });
}

// Somebody may have begun something between the question and its answer, or have filtered: it is the answer no longer.
document.addEventListener("htmx:before:swap", (event) => {
  const { sourceElement, target } = event.detail.ctx;
  if (!asked.has(sourceElement)) return;
  const element = document.getElementById(target?.id);
  if (element && !element.querySelector(BUSY) && element.dataset.refreshUrl === asked.get(sourceElement)) return;
  event.preventDefault();
  if (element) stale.add(element.id);
});

function due(element, now) {
  const last = refreshed.get(element.id) ?? loaded;
  return stale.has(element.id) || now - last >= Number(element.dataset.refreshSeconds) * 1000;
}

setInterval(() => {
  const now = Date.now();
  for (const element of document.querySelectorAll("[data-refresh-url]")) if (due(element, now)) refresh(element, now);
}, 1000);

// One for all parts of a page: a browser opens no more than six connections to a server without HTTP/2.
const told = new Map();
function connect(url, pause = AGAIN_MS) {
  const source = new EventSource(url);
  const tell = () => told.get(url).forEach((soon) => soon());
  source.addEventListener("message", tell);
  source.addEventListener("open", tell); // what changed before the stream stood, at first or again, sent no event to it
  // A server that is just being replaced answers 503, at which a browser would give up for good.
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, pause, url, Math.min(2 * pause, AGAIN_AT_MOST_MS));
  });
}

for (const element of document.querySelectorAll("[data-refresh-events]")) {
  let waiting = 0;
  const soon = () => {
    stale.add(element.id);
    clearTimeout(waiting);
    waiting = setTimeout(() => refresh(document.getElementById(element.id) ?? element), EVENT_PAUSE_MS);
  };
  const url = element.dataset.refreshEvents;
  if (told.has(url)) told.get(url).push(soon);
  else {
    told.set(url, [soon]);
    connect(url);
  }
}
