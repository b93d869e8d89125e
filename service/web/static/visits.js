// Outcomes are written down on the phone first and sent as soon as there is a connection. Each carries a key made here,
// by which the service stores it once however often it is sent. Without this script the same forms work online.
"use strict";
(() => {
  const body = document.body, said = body.dataset, who = said.who;
  const PREFIX = "xianying.outcome.", KEPT = 2 * 24 * 3600 * 1000, WAIT = 5000, OPENED = Date.now(), PURPOSE = encodeURIComponent("走访页面 visits page");
  const all = (where, selector) => [...where.querySelectorAll(selector)];

  // ---- what is written down: one item of localStorage for each outcome, so that two tabs cannot overwrite each other
  const read = () => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX))
    .map((key) => JSON.parse(localStorage.getItem(key))).filter((one) => one.who === who).sort((a, b) => a.at - b.at);
  const write = (one) => localStorage.setItem(PREFIX + one.token, JSON.stringify(one));
  const forget = (one) => localStorage.removeItem(PREFIX + one.token);
  const waits = (one) => !one.refused && (!one.number || (one.undo && !one.undone));
  const newToken = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (x) => x.toString(16).padStart(2, "0")).join("");

  // ---- sending
  let sending = false, csrf = said.csrf, state = "";
  const ask = (method, path, content, key) => fetch(path, {
    method,
    headers: {
      "Content-Type": "application/json", "X-CSRF-Token": csrf, "X-Purpose": PURPOSE,
      ...(key ? { "Idempotency-Key": key } : {}),
    },
    body: content && JSON.stringify(content),
    cache: "no-store",
  });

  // the phone's day, as the connection may come back on a later one
  const dayOf = (at) => new Date(at - new Date(at).getTimezoneOffset() * 60000).toISOString().slice(0, 10);

  async function send(one) {
    if (!one.number) {
      write({ ...one, tried: true });
      const [path, content] = addressed(one), answer = await ask("POST", path, content, one.token);
      if (!answer.ok) return refuse(one, answer);
      if (one.kind === "reassignment") { forget(one); await gaveAway(one); return ""; }
      const { id } = answer.status === 204 ? {} : await answer.json(); // an answer comes in pieces: an undo in between must not be written over
      one = { ...newest(one), number: id || 1 };
      write(one);
      if (one.kind === "refusal") await forgetHousehold(one.household).catch(() => {});
    }
    if (one.undo && !one.undone) {
      const answer = await ask("DELETE", `/v1/outcomes/${one.number}`);
      if (!answer.ok) return refuse(one, answer);
      write({ ...newest(one), undone: true });
    }
    return "";
  }
  // where an item goes: an outcome, a refusal, or another need that a resident mentioned
  const addressed = (one) => ({
    remark: () => ["/v1/feedback", { outreach_id: one.outreach, ...one.said }],
    reassignment: () => ["/v1/reassignments", { household_id: one.household, as_of: one.week, worker_id: one.worker }],
    refusal: () => [`/v1/residents/${encodeURIComponent(one.household)}/refusal`, {}],
    request: () => ["/v1/requests", { household_id: one.household, requested_at: new Date(one.at).toISOString(), text: one.text, channel: "走访" }],
  }[one.kind] || (() => ["/v1/outcomes", { outreach_id: one.outreach, outcome: one.outcome, note: one.note, written_on: dayOf(one.at) }]))();
  // what another tab, or a finger, changed while it was on its way
  const newest = (one) => JSON.parse(localStorage.getItem(PREFIX + one.token)) || one;

  async function refuse(one, answer) {
    if (answer.status === 401) return "signin";
    if (answer.status >= 500 || answer.status === 429) return "later";
    const problem = await answer.json().catch(() => ({}));
    if (problem.type === "urn:xianying:csrf") { // signed in anew since this page was made
      const me = await fetch("/v1/session", { cache: "no-store" });
      const found = me.ok ? await me.json() : {};
      if (found.who !== who) return "signin";
      if (found.csrf === csrf) return "later";
      csrf = found.csrf;
      return send(newest(one));
    }
    write({ ...newest(one), refused: problem.title || String(answer.status) });
    return "";
  }

  async function flush() {
    if (!who || sending) return;
    sending = true;
    let found = ""; // what went wrong before stays in force until everything is sent: the queue is shown up to then
    try {
      for (let one; !found && (one = read().find(waits)); show()) found = await send(one);
    } catch { // no connection
      found = "offline";
    }
    [state, sending] = [found, false];
    for (const one of read()) if (!waits(one) && !one.refused && Date.now() - one.at > KEPT) forget(one);
    show();
  }

  // ---- showing: what the page was made with, then what was written down since
  // Of a row of a list: what waits, or was sent after the page was made. The page knows everything up to `newest`.
  const newestOnPage = Number(said.newest);
  const latest = (outreach, number) => read().filter((one) => one.outreach === outreach && !one.kind && !one.refused &&
    (waits(one) || (one.undone ? one.number === number : one.number > newestOnPage))).pop();

  function show() {
    if (!who) return;
    for (const visit of all(document, ".visit")) showVisit(visit);
    for (const chip of all(document, "[data-chip]")) showChip(chip);
    for (const line of all(document, ".remarks")) showRemarks(line);
    const leaving = new Map(read().filter((one) => ["refusal", "reassignment"].includes(one.kind) && !one.refused)
      .map((one) => [one.household, !one.back])); // the last word on each household
    for (const card of all(document, ".card[data-household]")) card.hidden = Boolean(leaving.get(card.dataset.household));
    for (const place of all(document, ".given")) showGiven(place);
    for (const list of all(document, ".mentioned")) showMentioned(list);
    for (const card of all(document, ".card[data-needs]"))
      card.classList.toggle("finished", all(card, "[data-chip]:not([hidden])").length === Number(card.dataset.needs));
    const meter = document.querySelector(".meter progress"), cards = all(document, ".card[data-needs]");
    if (meter && cards.length) {
      const words = meter.parentElement.querySelector("span"), done = cards.filter((card) => !card.hidden && card.classList.contains("finished")).length;
      meter.value = done;
      meter.max = cards.filter((card) => !card.hidden).length;
      words.textContent = words.textContent.replace(/^\d+ \/ \d+/, `${done} / ${meter.max}`);
    }
    showQueue();
  }

  function showChip(chip) {
    chip.dataset.text ??= chip.textContent;
    const number = Number(chip.dataset.number), one = latest(chip.dataset.chip, number) || closed(chip.dataset.chip);
    const gone = one && one.undo;
    chip.textContent = one && !gone && waits(one) ? `✓ ${said.unsent}` : chip.dataset.text;
    chip.hidden = one ? Boolean(gone) : !number;
    chip.classList.toggle("waiting", Boolean(one && waits(one)));
  }

  // what was said that leaves nothing to ask: the last word that the phone has, unless it took the earlier one back
  const remarks = (outreach) => read().filter((one) => one.kind === "remark" && one.outreach === outreach && !one.refused);
  function closed(outreach) {
    const last = remarks(outreach).filter((one) => one.said.kind).pop();
    return last && last.said.kind !== "satisfied" ? last : undefined;
  }

  function showRemarks(line) {
    const items = remarks(line.dataset.outreach).filter((one) => waits(one) || one.at > OPENED);
    for (const one of all(line, ".here")) one.remove();
    line.append(...items.map((one) => Object.assign(document.createElement("span"),
      { className: "here", textContent: `✓ ${one.name}（${waits(one) ? said.unsent : said.sent}） ` })));
    line.classList.toggle("waiting", items.some(waits));
    line.hidden = !line.querySelector("span");
  }

  const made = new Map(); // of each visit: what the page said of it

  function showVisit(visit) {
    const recorded = visit.querySelector(".recorded"), answer = visit.querySelector(".answer"), was = recorded.hidden;
    const name = recorded.querySelector(".name"), when = recorded.querySelector(".when"), undo = recorded.querySelector(".undo");
    if (!made.has(visit)) made.set(visit, { gone: was, name: name.textContent, when: when.textContent, fixed: undo.hidden });
    const one = latest(visit.dataset.outreach, Number(visit.dataset.number)), waiting = Boolean(one && waits(one));
    const now = one ? { gone: Boolean(one.undo), name: one.name, when: waiting ? said.unsent : said.sent, fixed: false } : made.get(visit);
    recorded.hidden = now.gone;
    name.textContent = now.name;
    when.textContent = now.when;
    undo.hidden = now.fixed;
    recorded.classList.toggle("waiting", waiting);
    if (was !== recorded.hidden) answer.open = recorded.hidden;
  }

  function showMentioned(list) {
    const items = read().filter((one) => one.kind === "request" && one.household === list.dataset.household && !one.refused);
    list.replaceChildren(...items.map((one) =>
      Object.assign(document.createElement("li"), { textContent: `✓ ${one.text}（${waits(one) ? said.unsent : said.sent}）` })));
    list.hidden = !items.length;
  }

  // visits that a colleague takes over, and those that are taken back: what has not been sent yet stands beside the rest
  function showGiven(place) {
    const items = read().filter((one) => one.kind === "reassignment" && !one.refused), last = new Map(items.map((one) => [one.household, one]));
    for (const line of all(place, ".here")) line.remove();
    for (const line of all(place, "[data-given]")) line.hidden = last.has(line.dataset.given);
    for (const one of last.values()) {
      place.querySelector("ul").append(Object.assign(document.createElement("li"),
        { className: "here waiting", textContent: `${one.door || one.household}：${one.name}（${said.unsent}）` }));
    }
    place.hidden = !place.querySelector("li:not([hidden])");
  }

  function showQueue() {
    const place = document.getElementById("queue"), waiting = read().filter(waits), refused = read().filter((one) => one.refused);
    const lines = [];
    if (waiting.length && (state || !navigator.onLine)) lines.push(`${waiting.length} ${said.waiting}`);
    if ((state === "offline" && !sending) || !navigator.onLine) lines.push(said.offline);
    if (state === "signin" && !sending && waiting.length) lines.push(said.signin);
    place.replaceChildren(...lines.map((text) => Object.assign(document.createElement("div"), { textContent: text })));
    for (const one of refused) {
      const line = document.createElement("div"), button = document.createElement("button");
      line.textContent = `${one.name} ${said.refused}: ${one.refused}`;
      button.textContent = said.dismiss;
      button.addEventListener("click", () => { forget(one); location.reload(); });
      line.append(button);
      place.append(line);
    }
    place.hidden = !place.childNodes.length;
  }

  // ---- what fingers do
  document.addEventListener("submit", (event) => {
    const form = event.target, visit = form.closest(".visit");
    if (form.id === "sign-out") return leave(event);
    if (!who || (!visit && !form.classList.contains("said") && !form.classList.contains("take-back") &&
      !["refuse", "nobody", "mention", "reassign"].includes(form.id))) return;
    try {
      if (form.id === "refuse") refuses(form);
      else if (form.id === "nobody") nobodyHome();
      else if (form.id === "mention") mentions(form);
      else if (form.id === "reassign" || form.classList.contains("take-back")) handsOver(form);
      else if (form.classList.contains("said")) remarksOn(form, event.submitter);
      else if (form.classList.contains("outcome")) recordOutcome(form, event.submitter, visit.dataset.outreach);
      else undo(visit.dataset.outreach, Number(visit.dataset.number), visit.dataset.outcome);
    } catch {
      return; // nothing can be kept on this phone: the form is sent as it is
    }
    event.preventDefault();
    show();
    if (["refuse", "reassign"].includes(form.id)) flush().then(() => location.assign(document.querySelector(".crumbs a").href));
    else if (visit) (visit.querySelector(".recorded:not([hidden]) button") || visit.querySelector(".choices button")).focus();
    flush();
  });

  const noted = (item) => write({ who, token: newToken(), at: Date.now(), ...item });

  function refuses(form) {
    noted({ kind: "refusal", household: form.elements.household_id.value, name: form.querySelector("button").textContent.trim() });
  }

  // Every need of the household that has no outcome yet.
  function nobodyHome() {
    for (const visit of all(document, ".visit")) {
      const button = visit.querySelector("[value=not_reached]");
      if (visit.querySelector(".recorded").hidden && button && !visit.dataset.closed && !closed(visit.dataset.outreach))
        noted({ outreach: visit.dataset.outreach, outcome: "not_reached", name: button.textContent.trim(), note: "" });
    }
  }

  function remarksOn(form, button) {
    const day = form.elements.next_visit.value, said = { ...(day ? { next_visit: day } : {}) };
    if (button.name === "kind") said.kind = button.value;
    if (button.name === "satisfaction") said.satisfaction = Number(button.value);
    if (!Object.keys(said).length) return;
    const words = [button.name === "satisfaction" ? `${form.querySelector(".marks").dataset.name} ${button.value}` : "",
      button.name === "kind" ? button.textContent.trim() : "", day ? `${day} ${form.elements.again.dataset.name}` : ""];
    noted({ kind: "remark", outreach: form.elements.outreach_id.value, said, name: words.filter(Boolean).join(" · ") });
    form.elements.next_visit.value = "";
  }

  function handsOver(form) {
    const [home, week, to, back] = ["household_id", "as_of", "worker_id", "back"].map((name) => form.elements[name]);
    const whom = back ? "" : to.selectedOptions[0].textContent.trim();
    const door = back ? form.closest("li").firstChild.textContent.split("→")[0].trim() : document.querySelector("h1").textContent.trim();
    noted({ kind: "reassignment", household: home.value, week: week.value, worker: to.value, back: Boolean(back), door,
      name: `${form.querySelector("button").textContent.trim()} ${whom}`.trim() });
  }

  function mentions(form) {
    const text = form.elements.text, said = text.value.trim();
    if (said) noted({ kind: "request", household: form.elements.household_id.value, text: said, name: said });
    text.value = "";
  }

  // ---- large text, also without a connection: the service keeps it in a cookie, this phone beside it
  const LARGE = "xianying.large";
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("#text-size");
    if (!link || navigator.onLine) {
      if (link) localStorage.removeItem(LARGE);
      return;
    }
    event.preventDefault();
    const large = document.documentElement.classList.toggle("large");
    localStorage.setItem(LARGE, large ? "large" : "normal");
    nameSize(link, large);
  });
  const nameSize = (link, large) => {
    link.textContent = large ? link.dataset.normal : link.dataset.large;
    link.href = link.href.replace(/text=(normal|large)/, `text=${large ? "normal" : "large"}`);
  };
  const kept = localStorage.getItem(LARGE), sizes = document.getElementById("text-size");
  if (kept && sizes) {
    document.documentElement.classList.toggle("large", kept === "large");
    nameSize(sizes, kept === "large");
  }

  function recordOutcome(form, button, outreach) {
    const note = form.querySelector("textarea");
    write({ who, token: newToken(), at: Date.now(), outreach, outcome: button.value, name: button.textContent.trim(), note: note.value.trim() });
    note.value = "";
  }

  function undo(outreach, number, outcome) {
    const one = latest(outreach, number) || read().find((held) => number && held.number === number);
    if (!one) write({ who, token: newToken(), at: Date.now(), outreach, outcome, name: "", number, undo: true });
    else if (!one.number && !one.tried) forget(one); // never left the phone
    else write({ ...one, undo: true });
  }

  // ---- leaving: what the phone keeps goes first, whether there is a connection or not
  const WHO = "xianying.who", LEFT = "xianying.left", UNSENT_KEPT = 7 * 24 * 3600 * 1000;
  const forgetPages = () => ("caches" in window ? caches.delete("pages") : Promise.resolve());
  const forgetSent = () => read().filter((one) => !waits(one)).forEach(forget);

  function leave(event) {
    if (read().some(waits) && !confirm(said.leave)) return event.preventDefault();
    forgetSent();
    localStorage.setItem(LEFT, who); // the session itself ends as soon as the service can be reached
    const gone = forgetPages();
    if (navigator.onLine) return;
    event.preventDefault();
    gone.then(showLeft);
  }

  function showLeft() {
    body.replaceChildren(Object.assign(document.createElement("p"), { textContent: said.left, className: "problem" }));
    document.documentElement.classList.remove("left");
  }

  async function endSession() {
    showLeft();
    await forgetPages();
    const form = new URLSearchParams({ csrf });
    const answer = await fetch("/sign-out", { method: "POST", body: form, cache: "no-store" });
    if (answer.status < 400) location.replace("/sign-in"); // where LEFT goes: a page may still be on its way
  }

  // Whoever uses the phone now finds nothing of whoever used it before; what those did not send waits a week for them.
  async function forgetOthers() {
    if (!who || localStorage.getItem(WHO) === who) return;
    localStorage.setItem(WHO, who);
    for (const key of Object.keys(localStorage).filter((one) => one.startsWith(PREFIX))) {
      const one = JSON.parse(localStorage.getItem(key));
      if (one.who !== who && (!waits(one) || Date.now() - one.at > UNSENT_KEPT)) localStorage.removeItem(key);
    }
    await forgetPages();
  }

  // ---- without a connection
  async function keep(name, address, anew = false) {
    const held = await caches.open(name);
    if (!anew && (await held.match(address))) return;
    const answer = await fetch(address, { headers: { "X-Purpose": encodeURIComponent("备用离线 kept for offline use") } });
    if (answer.ok && !answer.redirected) await held.put(address, answer);
  }

  // A household that wants no visits is not kept on the phone.
  async function forgetHousehold(household) {
    const pages = await caches.open("pages"), path = `/visits/${encodeURIComponent(household)}`;
    for (const one of await pages.keys()) if (new URL(one.url).pathname === path) await pages.delete(one);
  }

  // Kept lists are from before: they are fetched again.
  async function gaveAway(one) {
    await forgetHousehold(one.household).catch(() => {});
    const pages = await caches.open("pages").catch(() => null);
    for (const kept of pages ? await pages.keys() : []) if (new URL(kept.url).pathname === "/visits") {
      await keep("pages", kept.url, true).catch(() => {}); // with no answer the list from before stays: better than none
    }
    if (said.keep === "list") location.reload();
  }

  async function keepPages() {
    if (!("serviceWorker" in navigator)) return;
    if (!who) { // nobody is signed in: pages of whoever was before must not stay
      await caches.delete("pages");
      return;
    }
    await navigator.serviceWorker.register("/service-worker.js");
    await navigator.serviceWorker.ready;
    if (said.keep !== "list") return;
    const links = all(document, ".card[data-needs] a"), files = all(document, "[href^='/static/'], [src^='/static/']");
    for (const one of files) await keep("files", one.href || one.src); // kept pages are of no use without their script
    for (const address of [location.href, new URL("/visits", location).href, ...links.map((one) => one.href)]) await keep("pages", address);
    body.dataset.kept = "yes";
  }

  const hasLeft = () => who && localStorage.getItem(LEFT) === who;
  if (hasLeft()) {
    addEventListener("online", () => endSession().catch(() => {}));
    endSession().catch(() => {});
    return;
  }
  document.documentElement.classList.remove("left");
  if (!who) localStorage.removeItem(LEFT); // nobody's session is open in this browser
  addEventListener("online", () => (localStorage.getItem(LEFT) ? endSession().catch(() => {}) : flush()));
  addEventListener("offline", show);
  for (const kind of ["storage", "pageshow"]) addEventListener(kind, () => (hasLeft() ? showLeft() : show())); // other tabs, the way back
  document.addEventListener("visibilitychange", () => { if (!document.hidden) flush(); });
  setInterval(() => { if (read().some(waits)) flush(); }, WAIT);
  show();
  flush();
  forgetOthers().then(keepPages).catch(() => {});
})();
