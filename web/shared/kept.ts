/** What a page keeps in this browser beyond its life: keys that cannot be read, and what goes with them. One thing to know:
 * what is put together is there together, and on the disk before the promise is kept, so a power cut forgets nothing. */

const STORE = "kept";

function done<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Values by name, in a database of their own. Names of one sort begin alike: `pass/…`. */
export class Kept {
  private opened?: Promise<IDBDatabase>;

  constructor(private readonly name: string) {}

  private open(): Promise<IDBDatabase> {
    if (this.opened === undefined) {
      const request = indexedDB.open(this.name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      this.opened = done(request);
    }
    return this.opened;
  }

  /** Puts and drops, all of them or none. */
  async change({ put = [], drop = [] }: { put?: [name: string, value: unknown][]; drop?: string[] }): Promise<void> {
    const transaction = (await this.open()).transaction(STORE, "readwrite", { durability: "strict" });
    const store = transaction.objectStore(STORE);
    for (const [name, value] of put) store.put(value, name);
    for (const name of drop) store.delete(name);
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  }

  async get<Value>(name: string): Promise<Value | undefined> {
    const store = (await this.open()).transaction(STORE).objectStore(STORE);
    return done(store.get(name)) as Promise<Value | undefined>;
  }

  /** Those whose names begin so, by name. */
  async all<Value>(start: string): Promise<Value[]> {
    const store = (await this.open()).transaction(STORE).objectStore(STORE);
    return done(store.getAll(IDBKeyRange.bound(start, `${start}\uffff`))) as Promise<Value[]>;
  }
}
