// Asks for the page every two seconds, and changes what differs, so that unfolded and chosen things stay as they are.
"use strict";
(() => {
  const EVERY = 2000;
  const age = document.getElementById("live-age"), problem = document.getElementById("live-problem");
  let tag = document.getElementById("live").dataset.tag, changed = null, told = problem.textContent;

  const kept = { DETAILS: ["open"], INPUT: ["checked"] };

  function update(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeName !== fresh.nodeName || old.nodeType !== Node.ELEMENT_NODE || old.id !== fresh.id) {
      old.replaceWith(fresh);
      return;
    }
    const mine = kept[old.nodeName] || [];
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !mine.includes(name)) old.removeAttribute(name);
    }
    for (const { name, value } of [...fresh.attributes]) {
      if (!mine.includes(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const before = [...old.childNodes], after = [...fresh.childNodes];
    after.forEach((child, index) => (index < before.length ? update(before[index], child) : old.append(child)));
    before.slice(after.length).forEach((child) => child.remove());
  }

  function ago(seconds) {
    if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s ago`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
    return `${Math.round(seconds / 3600)} h ago`;
  }

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  async function ask() {
    try {
      const answer = await fetch("/", { headers: { "If-None-Match": tag }, cache: "no-store" });
      const offset = Date.now() - Date.parse(answer.headers.get("Date")); // clocks of both machines may differ
      changed = Date.parse(answer.headers.get("Last-Modified")) + offset;
      if (answer.status === 200) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        tag = answer.headers.get("ETag");
        told = page.getElementById("live-problem").textContent;
        update(document.head, page.head);
        update(document.querySelector("main"), page.querySelector("main"));
      }
      write(problem, told);
    } catch {
      write(problem, "the server does not answer; trying again");
    }
    write(age, changed ? `files changed ${ago((Date.now() - changed) / 1000)}` : "");
    setTimeout(ask, EVERY);
  }

  ask();
})();
