// The server's API: requests with the key of this tab, errors as sentences, and streams of events.

import { $ } from "./dom.js";

const KEY = "janiform-key";

export class ApiProblem extends Error {}

function askForKey(refused) {
  const dialog = $("key-dialog");
  return new Promise((resolve) => {
    $("key").value = "";
    $("key-problem").textContent = refused ? "The server does not accept this key." : "";
    dialog.addEventListener("close", () => {
      if ($("key").value) sessionStorage.setItem(KEY, $("key").value);
      resolve(Boolean($("key").value));
    }, { once: true });
    if (!dialog.open) dialog.showModal();
  });
}

let asking = null;

async function call(path, options = {}) {
  for (;;) {
    const headers = new Headers(options.headers);
    const key = sessionStorage.getItem(KEY);
    if (key) headers.set("authorization", `Bearer ${key}`);
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiProblem("The server cannot be reached. Is it still running?");
    }
    if (response.status === 401) {
      sessionStorage.removeItem(KEY);
      asking ??= askForKey(key !== null).finally(() => { asking = null; });
      if (await asking) continue;
    }
    if (response.ok) return response;
    throw await problemOf(response);
  }
}

async function problemOf(response) {
  const body = await response.json().catch(() => null);
  return new ApiProblem(sentence(body?.error?.message ?? `the server answered with the status ${response.status}`));
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.?!)]$/.test(text) ? "" : ".");

export const get = async (path) => (await call(path)).json();

const described = new Map();

// What the studio shows of a model, asked for once: its recipe, its parts, its diagram, and the sampler's settings.
export async function factsOf(model) {
  if (!described.has(model)) described.set(model, await get(`/studio/models/${encodeURIComponent(model)}`));
  return described.get(model);
}

// JSON in which a seed, a text of digits, is a number.
const json = (body) => JSON.stringify(body).replace(/(?<!\\)"seed":"(\d+)"/, '"seed":$1');

// The events of a stream, parsed; an event that reports an error raises it.
export async function* events(path, body, signal) {
  const form = body instanceof FormData;
  const response = await call(path, {
    method: "POST",
    headers: form ? {} : { "content-type": "application/json" },
    body: form ? body : json(body),
    signal,
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const blocks = buffer.split("\n\n");
    buffer = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (!data || data === "[DONE]") continue;
      const event = JSON.parse(data);
      if (event.error) throw new ApiProblem(sentence(event.error.message));
      yield event;
    }
  }
}
