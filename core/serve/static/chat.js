// Conversations: one with each model that is chosen, about the same pictures and with the same questions.

import { events } from "./api.js";
import { $, announce, el, numberOf, showProblem } from "./dom.js";
import { PictureList, dataUrl, thumbnail } from "./pictures.js";

export class Chat {
  constructor(chosen) {
    this.chosen = chosen;
    this.turns = []; // { text, blobs, urls, answers: Map of model -> text }
    this.pictures = new PictureList($("chat-pictures"), $("chat-file"), $("panel-chat"));
    this.running = null;
    $("chat-form").addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
    $("chat-text").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.send();
      }
    });
    $("chat-stop").addEventListener("click", () => this.stop());
    $("chat-clear").addEventListener("click", () => this.clear());
    this.show();
  }

  stop() {
    this.running?.abort();
  }

  clear() {
    this.stop();
    this.turns = [];
    this.pictures.clear();
    showProblem("");
    this.show();
    $("chat-text").focus();
  }

  // A column for each model that is chosen, with what was said so far.
  show() {
    const columns = this.chosen().map((model) => {
      const log = el("div", { role: "log", ariaLabel: `Conversation with ${model.id}`, className: "log" });
      for (const turn of this.turns) {
        if (turn.answers.has(model.id)) log.append(asked(turn), answerOf(turn.answers.get(model.id)));
      }
      if (!log.children.length) {
        const hint = model.looks ? "Ask it about a picture, or anything that it was trained to answer." : "This model does not look at pictures.";
        log.append(el("p", { className: "soft", textContent: hint }));
      }
      return el("section", { className: "column", ariaLabel: model.id }, el("h2", { textContent: model.id }), log);
    });
    $("chat-log").replaceChildren(...columns);
  }

  async send() {
    const text = $("chat-text").value.trim();
    if (this.running || (!text && !this.pictures.blobs.length)) return;
    showProblem("");
    this.running = new AbortController();
    this.busy(true);
    const blobs = this.pictures.blobs;
    const turn = { text, blobs, urls: await Promise.all(blobs.map(dataUrl)), answers: new Map() };
    const models = this.chosen();
    for (const model of models) turn.answers.set(model.id, "");
    this.turns.push(turn);
    this.show();
    $("chat-text").value = "";
    this.pictures.clear();
    await Promise.all(models.map((model, index) => this.answer(model, turn, $("chat-log").children[index])));
    this.running = null;
    this.busy(false);
    announce("The answer is complete.");
  }

  async answer(model, turn, column) {
    const bubble = column.querySelector(".log").lastElementChild;
    bubble.setAttribute("aria-busy", "true");
    const body = { model: model.id, messages: this.messages(model.id), stream: true, temperature: numberOf($("chat-temperature")) ?? 0 };
    const optional = { top_p: $("chat-top-p"), max_tokens: $("chat-tokens"), seed: $("chat-seed") };
    for (const [name, input] of Object.entries(optional)) {
      if (numberOf(input) !== null) body[name] = numberOf(input);
    }
    try {
      for await (const event of events("/v1/chat/completions", body, this.running.signal)) {
        const piece = event.choices[0]?.delta.content ?? "";
        turn.answers.set(model.id, turn.answers.get(model.id) + piece);
        bubble.textContent = turn.answers.get(model.id);
      }
      if (!bubble.textContent) bubble.replaceChildren(el("span", { className: "soft", textContent: "(no text)" }));
    } catch (error) {
      if (error.name === "AbortError") {
        bubble.append(el("span", { className: "soft", textContent: " (stopped)" }));
      } else {
        turn.answers.delete(model.id); // what failed is not part of the conversation
        bubble.classList.add("problem");
        bubble.textContent = error.message;
      }
    }
    bubble.removeAttribute("aria-busy");
  }

  messages(model) {
    return this.turns.filter((turn) => turn.answers.has(model)).flatMap((turn, index, turns) => {
      const parts = turn.urls.map((url) => ({ type: "image_url", image_url: { url } }));
      if (turn.text) parts.push({ type: "text", text: turn.text });
      const asked = { role: "user", content: parts };
      return index + 1 < turns.length ? [asked, { role: "assistant", content: turn.answers.get(model) }] : [asked];
    });
  }

  busy(yes) {
    $("chat-stop").hidden = !yes;
    $("chat-send").disabled = yes;
    if (!yes) $("chat-text").focus();
  }
}

function asked(turn) {
  const pictures = turn.blobs.map((blob, index) => thumbnail(blob, blob.name || `picture ${index + 1}`));
  return el("div", { className: "turn user" }, ...pictures, turn.text ? el("p", { textContent: turn.text }) : null);
}

const answerOf = (text) => el("div", { className: "turn model", textContent: text });
