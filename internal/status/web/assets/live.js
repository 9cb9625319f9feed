// Keeps the page as it is now: asks for it again every few seconds, and puts
// in place what changed. Everything works without it.
"use strict";
(() => {
  const every = 5000, slowest = 60000;
  const asof = document.getElementById("asof"), words = document.getElementById("live-words");
  if (!asof) return;
  const form = document.querySelector("form.filter");
  let tag = "", wait = every, timer = 0, asking = null;

  // keep puts the parts of another page in place of ours, where they differ.
  const keep = (next) => {
    const focused = document.activeElement && document.activeElement.getAttribute("href");
    for (const part of document.querySelectorAll("[id^=live-]")) {
      const fresh = next.getElementById(part.id);
      if (!fresh || part === words || fresh.innerHTML === part.innerHTML) continue;
      const open = [...part.querySelectorAll("details[open]")].map((d) => d.id);
      const scrolled = [...part.querySelectorAll(".scroll")].map((s) => s.scrollLeft);
      const held = part.contains(document.activeElement);
      part.replaceChildren(...fresh.childNodes);
      for (const id of open) { const d = document.getElementById(id); if (d) d.open = true; }
      part.querySelectorAll(".scroll").forEach((s, i) => { s.scrollLeft = scrolled[i] || 0; });
      if (held && focused) { const same = [...part.querySelectorAll("a[href]")].find((a) => a.getAttribute("href") === focused); if (same) same.focus({ preventScroll: true }); }
    }
    const title = part(next, "main > h1");
    if (title) document.querySelector("main > h1").textContent = title.textContent;
  };
  const part = (page, what) => page.querySelector(what);

  const tell = (text, lost) => { words.textContent = text; words.parentElement.classList.toggle("lost", lost); };

  const ask = async () => {
    clearTimeout(timer);
    if (asking) asking.abort();
    const mine = asking = new AbortController();
    const late = setTimeout(() => mine.abort(), 20000);
    try {
      const answer = await fetch(location.pathname + location.search, { headers: { "Accept": "text/html", "If-None-Match": tag }, signal: mine.signal, cache: "no-store", redirect: "error" });
      if (answer.status === 200) {
        const text = await answer.text();
        if (mine !== asking) return;
        tag = answer.headers.get("ETag") || "";
        const next = new DOMParser().parseFromString(text, "text/html");
        keep(next);
        asof.textContent = next.getElementById("asof").textContent;
      } else if (answer.status === 304) {
        asof.textContent = answer.headers.get("Certkeep-As-Of").replace("T", " ").replace("Z", " UTC");
      } else {
        throw new Error(String(answer.status));
      }
      wait = every;
      tell("Live, as of", false);
    } catch (e) {
      if (mine !== asking) return;
      wait = Math.min(wait * 2, slowest);
      tell("No answer; as of", true);
    } finally {
      clearTimeout(late);
      if (mine === asking) { asking = null; again(); }
    }
  };
  const again = () => { clearTimeout(timer); if (!document.hidden) timer = setTimeout(ask, wait); };
  document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else ask(); });

  if (form) {
    let typing = 0;
    const filter = () => {
      const query = new URLSearchParams();
      for (const [key, value] of new FormData(form)) if (value && !(key === "sort" && value === "urgency")) query.set(key, value);
      history.replaceState(null, "", "/" + (query.size ? "?" + query : ""));
      tag = "";
      ask();
    };
    form.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(filter, 200); });
    form.addEventListener("submit", (e) => { e.preventDefault(); clearTimeout(typing); filter(); });
  }
  again();
})();
