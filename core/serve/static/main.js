// The page: its tabs, the models that are chosen, and what depends on them.

import { get } from "./api.js";
import { Chat } from "./chat.js";
import { $, el, showProblem } from "./dom.js";
import { Draw } from "./draw.js";
import { Models } from "./models.js";

const tabs = [...document.querySelectorAll("[role=tab]")];

function openTab(tab) {
  for (const one of tabs) {
    const open = one === tab;
    one.setAttribute("aria-selected", String(open));
    one.tabIndex = open ? 0 : -1;
    $(one.getAttribute("aria-controls")).hidden = !open;
  }
  history.replaceState(null, "", `#${tab.id.slice(4)}`);
}

for (const [index, tab] of tabs.entries()) {
  tab.addEventListener("click", () => openTab(tab));
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length];
    openTab(next);
    next.focus();
  });
}

// Files that miss the panels would otherwise replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

let models = [];
const chosen = () => models.filter((model) => $(`model-${models.indexOf(model)}`)?.checked ?? true);

async function begin() {
  const asked = tabs.find((tab) => tab.id === `tab-${location.hash.slice(1)}`);
  openTab(asked ?? tabs[0]);
  models = (await get("/v1/models")).data;
  const chat = new Chat(chosen);
  const draw = new Draw(chosen);
  const diagrams = new Models(chosen);
  const changed = async (event) => {
    if (event && !chosen().length) event.target.checked = true; // one at least
    chat.show();
    await draw.show();
    await diagrams.show();
  };
  if (models.length > 1) {
    $("choice").append(...models.map((model, index) => el("label", { htmlFor: `model-${index}` }, el("input", { type: "checkbox", id: `model-${index}`, checked: index === 0, onchange: changed }), ` ${model.id}`)));
    $("choice").hidden = false;
  }
  await changed();
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    chat.stop();
    draw.stop();
  });
  document.documentElement.dataset.ready = "true";
}

begin().catch((error) => showProblem(error.message));
