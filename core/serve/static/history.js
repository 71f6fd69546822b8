// The pictures that were drawn, kept in this browser by IndexedDB; in memory alone where it is not allowed.

const NAME = "janiform-studio";
const STORE = "pictures";
const MOST = 300;

const promised = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

export class History {
  constructor() {
    this.memory = [];
    this.opened = this.open().catch(() => null);
  }

  open() {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id", autoIncrement: true });
    return promised(request);
  }

  async store(mode) {
    const database = await this.opened;
    return database && database.transaction(STORE, mode).objectStore(STORE);
  }

  // All entries { id, model, blob, record }, the newest first.
  async all() {
    const store = await this.store("readonly");
    const entries = store ? await promised(store.getAll()) : [...this.memory];
    return entries.reverse();
  }

  async add(entry) {
    const store = await this.store("readwrite");
    if (!store) {
      this.memory.push({ ...entry, id: Date.now() + Math.random() });
      return;
    }
    await promised(store.add(entry));
    const keys = await promised(store.getAllKeys());
    for (const key of keys.slice(0, Math.max(0, keys.length - MOST))) store.delete(key);
  }

  async remove(id) {
    const store = await this.store("readwrite");
    if (store) await promised(store.delete(id));
    else this.memory = this.memory.filter((entry) => entry.id !== id);
  }

  async clear() {
    const store = await this.store("readwrite");
    if (store) await promised(store.clear());
    this.memory = [];
  }
}
