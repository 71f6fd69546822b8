// Pictures that the user gives, by file, drop or paste, as a list of thumbnails; and what janiform wrote into a PNG.

import { el, showProblem } from "./dom.js";

const KEYWORD = "janiform";
const MOST_TEXT = 1 << 20;

export const dataUrl = (blob) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(blob);
});

export function blobOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: "image/png" });
}

// How a picture was drawn, from the text `janiform` of its PNG; null where it has none.
export async function provenanceOf(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const view = new DataView(bytes.buffer);
  const signature = [137, 80, 78, 71, 13, 10, 26, 10];
  if (!signature.every((byte, index) => bytes[index] === byte)) return null;
  const latin = new TextDecoder("latin1");
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const kind = latin.decode(bytes.subarray(at + 4, at + 8));
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "iTXt" && length < MOST_TEXT) {
      const end = data.indexOf(0);
      // keyword, 0, compressed?, method, language, 0, translated keyword, 0, text
      if (latin.decode(data.subarray(0, end)) === KEYWORD && data[end + 1] === 0) {
        const language = data.indexOf(0, end + 3);
        const text = data.subarray(data.indexOf(0, language + 1) + 1);
        return parsed(new TextDecoder().decode(text));
      }
    }
    at += 12 + length;
  }
  return null;
}

function parsed(text) {
  try {
    const record = JSON.parse(text);
    const seed = /(?<!\\)"seed": ?(\d+)/.exec(text)?.[1]; // its digits: a number of JavaScript may be rounded
    const right = record.format === 1 && typeof record.prompt === "string" && seed !== undefined
      && typeof record.settings === "object" && record.settings !== null;
    return right ? { ...record, seed } : null;
  } catch {
    return null;
  }
}

// A list of pictures that are to be sent. `onadd` is told of each new one.
export class PictureList {
  constructor(list, input, area, onadd = () => {}) {
    this.list = list;
    this.blobs = [];
    this.onadd = onadd;
    input.addEventListener("change", () => { this.add([...input.files]); input.value = ""; });
    area.addEventListener("paste", (event) => this.take(event, event.clipboardData));
    area.addEventListener("dragover", (event) => { event.preventDefault(); area.classList.add("over"); });
    area.addEventListener("dragleave", () => area.classList.remove("over"));
    area.addEventListener("drop", (event) => {
      event.preventDefault();
      area.classList.remove("over");
      this.take(event, event.dataTransfer);
    });
  }

  take(event, data) {
    const files = [...(data?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    this.add(files);
  }

  add(blobs) {
    const pictures = blobs.filter((blob) => blob.type.startsWith("image/"));
    showProblem(pictures.length < blobs.length ? "Only pictures can be added." : "");
    for (const blob of pictures) {
      this.blobs.push(blob);
      this.onadd(blob);
    }
    this.show();
  }

  clear() {
    this.blobs = [];
    this.show();
  }

  show() {
    this.list.hidden = !this.blobs.length;
    this.list.replaceChildren(...this.blobs.map((blob, index) => {
      const name = blob.name || `picture ${index + 1}`;
      const remove = el("button", {
        type: "button", ariaLabel: `Remove ${name}`, textContent: "×",
        onclick: () => { this.blobs.splice(index, 1); this.show(); },
      });
      return el("li", {}, thumbnail(blob, name), remove);
    }));
  }
}

export function thumbnail(blob, alt) {
  const address = URL.createObjectURL(blob);
  return el("img", { src: address, alt, onload: () => URL.revokeObjectURL(address) });
}
