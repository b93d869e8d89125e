// Shows the lists and households opened before when there is no connection. Pages stay on the phone for half a
// day at most, and go when somebody signs out or somebody else signs in (visits.js).
"use strict";
const PAGES = "pages", FILES = "files", LONGEST = 12 * 3600 * 1000;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  if (event.request.method !== "GET" || address.origin !== self.location.origin) return;
  if (address.pathname.startsWith("/static/")) event.respondWith(file(event));
  else if (/^\/visits(\/|$)/.test(address.pathname)) event.respondWith(visits(event.request));
  else if (address.pathname === "/") event.respondWith(first(event.request));
  else if (event.request.mode === "navigate") event.respondWith(fetch(event.request).catch(notHere));
});

async function file(event) {
  const request = event.request, held = await caches.match(request);
  if (held) {
    if (!fresh(held)) event.waitUntil(forgetOthers(request.url));
    return held;
  }
  const answer = await fetch(request);
  if (answer.ok) (await caches.open(FILES)).put(request, answer.clone());
  return answer;
}

// Other versions of a file that has been here for longest: no kept page is old enough to need them.
async function forgetOthers(address) {
  const files = await caches.open(FILES), path = new URL(address).pathname;
  for (const one of await files.keys())
    if (one.url !== address && new URL(one.url).pathname === path) await files.delete(one);
}

async function visits(request) {
  try {
    const answer = await fetch(request);
    if (answer.ok && !answer.redirected) (await caches.open(PAGES)).put(request.url, answer.clone());
    if (answer.status < 500) return answer;
    return (await kept(request.url)) || answer;
  } catch (error) {
    return (await kept(request.url)) || orNotHere(request, error);
  }
}

async function first(request) {
  try {
    return await fetch(request);
  } catch (error) {
    return (await kept(new URL("/visits", self.location).href)) || orNotHere(request, error);
  }
}

// A link to a page that was never opened: said in words, with the way back to the list.
function orNotHere(request, error) {
  return request.mode === "navigate" ? notHere() : Promise.reject(error);
}

function notHere() {
  const text = `<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>没有网络 · No connection</title><body style="font:1.15rem/1.6 sans-serif;margin:1.5rem"><h1>没有网络</h1>
<p>这一页没有存在手机上，有信号时再打开。</p><p lang="en">No connection: this page is not kept on the phone.</p>
<p><a href="/visits" style="display:inline-block;padding:.8rem 0">← 回到名单 · Back to the list</a></p>`;
  return new Response(text, { status: 503, headers: { "Content-Type": "text/html; charset=utf-8" } });
}

async function kept(address) {
  const pages = await caches.open(PAGES);
  for (const one of [address, ...(await alike(pages, address))]) {
    const held = await pages.match(one);
    if (held && fresh(held)) return held;
    if (held) await pages.delete(one);
  }
  return undefined;
}

// Kept pages that show the same: of the same path and list, where one of the two does not say which week.
async function alike(pages, address) {
  const wanted = new URL(address), found = [];
  for (const { url } of await pages.keys()) {
    const one = new URL(url);
    const same = (name) => one.searchParams.get(name) === wanted.searchParams.get(name);
    const weeks = [one, wanted].map((page) => page.searchParams.get("as_of")).filter(Boolean);
    if (one.pathname === wanted.pathname && ["grid", "coordinators", "everybody"].every(same) && (weeks.length < 2 || weeks[0] === weeks[1]))
      found.push(url);
  }
  return found.reverse();
}

function fresh(held) {
  return Date.now() - Date.parse(held.headers.get("date")) < LONGEST;
}
