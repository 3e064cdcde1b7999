/** What a page keeps in this browser beyond its life: keys that cannot be read, and what goes with them. One thing to know:
 * what is put together is there together, and on the disk before the promise is kept, so a power cut forgets nothing. */
import { openDB, type IDBPDatabase } from "idb";

const STORE = "kept";

/** Values by name, in a database of their own. Names of one sort begin alike: `pass/…`. */
export class Kept {
  private opened?: Promise<IDBPDatabase>;

  constructor(private readonly name: string) {}

  private open(): Promise<IDBPDatabase> {
    return (this.opened ??= openDB(this.name, 1, { upgrade: (database) => void database.createObjectStore(STORE) }));
  }

  /** Puts and drops, all of them or none. */
  async change({ put = [], drop = [] }: { put?: [name: string, value: unknown][]; drop?: string[] }): Promise<void> {
    const { store, done } = (await this.open()).transaction(STORE, "readwrite", { durability: "strict" });
    await Promise.all([...put.map(([name, value]) => store.put(value, name)), ...drop.map((name) => store.delete(name)), done]);
  }

  async get<Value>(name: string): Promise<Value | undefined> {
    return (await this.open()).get(STORE, name) as Promise<Value | undefined>;
  }

  /** Those whose names begin so, by name. */
  async all<Value>(start: string): Promise<Value[]> {
    return (await this.open()).getAll(STORE, IDBKeyRange.bound(start, `${start}\uffff`)) as Promise<Value[]>;
  }
}
