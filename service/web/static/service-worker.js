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
    return (await kept(request.url)) || Promise.reject(error);
  }
}

async function first(request) {
  try {
    return await fetch(request);
  } catch (error) {
    return (await kept(new URL("/visits", self.location).href)) || Promise.reject(error);
  }
}

async function kept(address) {
  const pages = await caches.open(PAGES);
  const held = await pages.match(address);
  if (!held) return undefined;
  if (fresh(held)) return held;
  await pages.delete(address);
  return undefined;
}

function fresh(held) {
  return Date.now() - Date.parse(held.headers.get("date")) < LONGEST;
}
