// Drawing: the same prompt and seeds for each model that is chosen, with previews while they draw.

import { events, factsOf } from "./api.js";
import { $, announce, el, numberOf, showProblem } from "./dom.js";
import { History } from "./history.js";
import { PictureList, blobOf, provenanceOf, thumbnail } from "./pictures.js";

const PREVIEWS = 3;

// Seeds are texts of digits, since numbers of JavaScript hold 53 bits and seeds up to 62.
const randomSeed = () => String(Math.floor(Math.random() * 1e6)); // short enough to be read aloud
const seedAfter = (seed, index) => String(BigInt(seed) + BigInt(index));

export class Draw {
  constructor(chosen) {
    this.chosen = chosen;
    this.history = new History();
    this.running = null;
    this.facts = new Map();
    this.pictures = new PictureList($("draw-pictures"), $("draw-file"), $("panel-draw"), (blob) => this.found(blob));
    $("draw-form").addEventListener("submit", (event) => { event.preventDefault(); this.ask(); });
    $("draw-text").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.ask();
      }
    });
    $("draw-stop").addEventListener("click", () => this.stop());
    $("history-clear").addEventListener("click", async () => { await this.history.clear(); this.showHistory(); });
    this.showHistory();
  }

  stop() {
    this.running?.abort();
  }

  // Inputs for the settings of the samplers of the models that are chosen, with the recipe's values as placeholders.
  async show() {
    const models = this.chosen().filter((model) => model.draws);
    $("draw-send").disabled = !models.length;
    for (const model of models) {
      this.facts.set(model.id, await factsOf(model.id));
    }
    const lists = models.map((model) => this.facts.get(model.id).sampler?.settings ?? []);
    const common = (lists[0] ?? []).filter(({ name }) => lists.every((list) => list.some((other) => other.name === name)));
    const guidance = common.find(({ name }) => name === "guidance");
    $("draw-guidance-label").hidden = !guidance;
    if (guidance) {
      $("draw-guidance").placeholder = guidance.value;
      $("draw-guidance").title = guidance.help;
    }
    const others = common.filter(({ name }) => name !== "guidance");
    $("draw-more").hidden = !others.length;
    $("draw-settings").replaceChildren(...others.map(settingInput));
  }

  ask() {
    const prompt = $("draw-text").value.trim();
    if (!prompt) {
      showProblem("Write what to draw first.");
      $("draw-text").focus();
      return;
    }
    const settings = {};
    if (numberOf($("draw-guidance")) !== null && !$("draw-guidance-label").hidden) settings.guidance = numberOf($("draw-guidance"));
    for (const input of $("draw-settings").querySelectorAll("[data-setting]")) {
      const value = valueOf(input);
      if (value !== null) settings[input.dataset.setting] = value;
    }
    const seed = $("draw-seed").value.trim() || randomSeed();
    if (!/^\d{1,19}$/.test(seed)) {
      showProblem("The seed must be a whole number of at most 19 digits.");
      $("draw-seed").focus();
      return;
    }
    const models = this.chosen().filter((model) => model.draws);
    this.draw(models, { prompt, seed, n: numberOf($("draw-n")) ?? 1, settings, sources: this.pictures.blobs });
  }

  // Draw again what a PNG holds the settings of, with the same seed or another one.
  async again(record, seed) {
    const problem = impossible(record);
    const models = this.chosen().filter((model) => model.draws);
    const drewIt = ({ id }) => {
      const { recipe, weights_sha256, sampler } = this.facts.get(id) ?? {};
      const same = !record.sampler || record.sampler === sampler?.use;
      return same && recipe === record.recipe && weights_sha256 === record.weights_sha256;
    };
    const model = models.find(drewIt) ?? models[0];
    if (problem || !model) {
      showProblem(problem || "No model is chosen that draws.");
      return;
    }
    const warning = drewIt(model) ? "" : `It was drawn by ${record.recipe || "another model"} with other weights or another sampler; ${model.id} draws something else with its settings.`;
    await this.draw([model], { prompt: record.prompt, seed, n: record.count ?? 1, settings: record.settings, sources: [] });
    if (warning && $("problem").hidden) showProblem(warning);
  }

  async draw(models, { prompt, seed, n, settings, sources }) {
    if (this.running || !models.length) return;
    showProblem("");
    this.running = new AbortController();
    $("draw-stop").hidden = false;
    $("draw-send").disabled = true;
    announce(`Drawing ${prompt}`);
    const columns = models.map((model) => {
      const figures = Array.from({ length: n }, (_, index) => new Figure(this, model, prompt, seedAfter(seed, index)));
      const gallery = el("div", { className: "gallery" }, ...figures.map((figure) => figure.element));
      return { model, figures, column: el("section", { className: "column", ariaLabel: model.id }, el("h2", { textContent: model.id }), gallery) };
    });
    $("drawn").replaceChildren(...columns.map(({ column }) => column));
    await Promise.all(columns.map(({ model, figures }) => this.drawOne(model, figures, { prompt, seed, n, settings, sources })));
    this.running = null;
    $("draw-stop").hidden = true;
    $("draw-send").disabled = false;
    announce("The drawings are complete.");
    this.showHistory();
  }

  async drawOne(model, figures, { prompt, seed, n, settings, sources }) {
    const fields = { ...settings, model: model.id, prompt, seed, n, stream: true, partial_images: PREVIEWS };
    let body = fields;
    if (sources.length) {
      body = new FormData();
      for (const [name, value] of Object.entries(fields)) body.append(name, String(value));
      for (const source of sources) body.append("image[]", source, source.name || "picture.png");
    }
    try {
      for await (const event of events(sources.length ? "/v1/images/edits" : "/v1/images/generations", body, this.running.signal)) {
        const figure = figures[event.index];
        if (event.type.endsWith("partial_image")) figure.preview(blobOf(event.b64_json));
        else await figure.done(blobOf(event.b64_json));
      }
    } catch (error) {
      const text = error.name === "AbortError" ? "Stopped." : error.message;
      for (const figure of figures) figure.failed(text);
      if (error.name !== "AbortError") showProblem(text);
    }
  }

  // A picture that was dropped may have been drawn by janiform.
  async found(blob) {
    const record = await provenanceOf(blob);
    if (!record) return;
    const again = (text, seed) => el("button", {
      type: "button", textContent: text,
      onclick: () => { $("found").replaceChildren(); this.pictures.clear(); this.again(record, seed()); },
    });
    $("found").replaceChildren(
      el("p", {}, "Drawn by ", el("strong", { textContent: record.recipe || "a model" }), ": “", el("em", { textContent: record.prompt }), `”, seed ${record.seed}.`),
      again("Redraw", () => record.seed),
      again("Vary", randomSeed),
      el("button", { type: "button", textContent: "Use the picture only", onclick: () => $("found").replaceChildren() }),
    );
  }

  async showHistory() {
    const entries = await this.history.all();
    $("history-empty").hidden = entries.length > 0;
    $("history-clear").hidden = !entries.length;
    $("history").replaceChildren(...entries.map((entry) => {
      const remove = el("button", {
        type: "button", textContent: "Delete", ariaLabel: `Delete ${entry.record?.prompt ?? "the picture"}`,
        onclick: async () => { await this.history.remove(entry.id); this.showHistory(); },
      });
      return el("figure", {}, thumbnail(entry.blob, entry.record?.prompt ?? "a drawing"), captionOf(entry), this.actions(entry, remove));
    }));
  }

  actions({ blob, record, model }, ...more) {
    const button = (textContent, onclick) => el("button", { type: "button", textContent, onclick, ariaLabel: `${textContent}: ${record?.prompt ?? "picture"}` });
    const edits = this.chosen().some((one) => one.draws_from_pictures);
    return el("div", { className: "actions" },
      el("a", { className: "button", textContent: "Save", ariaLabel: `Save ${record?.prompt ?? "picture"}`, href: URL.createObjectURL(blob), download: `${slug(record?.prompt ?? model)}-${record?.seed ?? 0}.png` }),
      record && button("Redraw", () => this.again(record, record.seed)),
      record && button("Vary", () => this.again(record, randomSeed())),
      edits && button("Change", () => { this.pictures.clear(); this.pictures.blobs.push(blob); this.pictures.show(); $("draw-text").focus(); }),
      ...more);
  }
}

// One picture while it is drawn, and when it is done.
class Figure {
  constructor(draw, model, prompt, seed) {
    this.draw = draw;
    this.model = model;
    this.prompt = prompt;
    const size = model.draws.split("x").map(Number);
    this.image = el("div", { className: "waiting" });
    this.image.style.aspectRatio = `${size[0]} / ${size[1]}`;
    this.caption = el("figcaption", {}, el("span", { textContent: `seed ${seed}` }));
    this.element = el("figure", { ariaBusy: "true" }, this.image, this.caption);
  }

  put(blob, alt) {
    const image = thumbnail(blob, alt);
    this.image.replaceWith(image);
    this.image = image;
  }

  preview(blob) {
    this.put(blob, `${this.prompt}, unfinished`);
    this.image.classList.add("unfinished");
  }

  async done(blob) {
    const record = await provenanceOf(blob);
    this.put(blob, this.prompt);
    this.finished = true;
    this.element.removeAttribute("aria-busy");
    const entry = { model: this.model.id, blob, record };
    this.element.append(this.draw.actions(entry));
    await this.draw.history.add(entry).catch(() => showProblem("This browser keeps no more pictures; delete some of the history."));
  }

  failed(text) {
    if (this.finished) return;
    this.element.removeAttribute("aria-busy");
    this.caption.textContent = text;
  }
}

function captionOf({ model, record }) {
  return el("figcaption", {}, el("span", { textContent: record?.prompt ?? "" }), el("span", { className: "soft", textContent: `${model}${record ? ` · seed ${record.seed}` : ""}` }));
}

// Why a picture cannot be drawn again from its own settings; empty where it can.
function impossible(record) {
  if (record.sources?.length) return "This picture was drawn from other pictures, which its file does not hold: add them, and its prompt.";
  if (record.thought || (record.turns ?? 1) > 1) return "This picture was drawn in a conversation or after a plan, which its file does not hold whole.";
  return "";
}

const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60) || "picture";

function settingInput({ name, type, value, help, choices }) {
  const common = { title: help, "data-setting": name };
  const label = name.replaceAll("_", " ");
  if (choices.length || type === "bool") {
    const values = choices.length ? choices : [true, false];
    const options = ["", ...values].map((one) => el("option", { value: String(one), textContent: one === "" ? `recipe's: ${value}` : String(one) }));
    return el("label", { title: help }, `${label} `, el("select", common, ...options));
  }
  const number = type === "int" || type === "float";
  return el("label", { title: help }, `${label} `, el("input", { type: number ? "number" : "text", step: type === "int" ? 1 : "any", placeholder: String(value ?? ""), ...common }));
}

function valueOf(input) {
  const text = input.value.trim();
  if (text === "") return null;
  if (input.type === "number") return Number(text);
  return text === "true" || text === "false" ? text === "true" : text;
}
