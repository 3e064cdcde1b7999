/** Handing a file over to `POST /intake`. One thing to know: the way there is told in percent; what comes after it, reading
 * the file, is not. Only XMLHttpRequest tells of the way there. */
import { headersOf, Refused, Unreachable } from "../../shared/http";
import { freshToken, type Session } from "../../shared/session";

/** What became of the rows; the five counts after `rows` add up to it. */
export interface Loaded {
  batch: string;
  rows: number;
  accepted: number;
  corrections: number;
  duplicates: number;
  not_collected: number;
  quarantined: number;
  /** Rows that were sent back, by code. */
  reasons: Record<string, number>;
  unknownColumns: number;
  /** Where the rows sent back can be fetched. */
  quarantineFile: string | null;
}

/** Send a file; `sent` hears the share of it that has gone out. Throws `Refused` or `Unreachable`. */
export async function upload(session: Session, file: File, item: string, place: string, sent: (share: number) => void): Promise<Loaded> {
  const token = await freshToken(session);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/intake?${new URLSearchParams({ item, place })}`);
    for (const [name, value] of Object.entries(headersOf(token))) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => sent(event.total ? event.loaded / event.total : 1));
    request.addEventListener("load", () => {
      try {
        const answer = JSON.parse(request.responseText) as Loaded & { error?: { code: string; message: string } };
        if (answer.error) reject(new Refused(answer.error.code, answer.error.message));
        else resolve(answer);
      } catch {
        reject(new Unreachable(String(request.status)));
      }
    });
    for (const end of ["error", "abort", "timeout"]) request.addEventListener(end, () => reject(new Unreachable(end)));
    request.send(file);
  });
}
