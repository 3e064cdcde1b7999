/** Files in and out. One thing to know: a photograph that is too large for the server is made smaller here, since phones
 * take them several times as large. */

/** Base64 letters that the server takes, and the bytes they stand for. */
const MOST_BYTES = (900_000 / 4) * 3;
const LONGEST_SIDE = 2_400;

/** What may be handed in. */
export const ACCEPTED = "application/pdf,image/png,image/jpeg";

export class TooLarge extends Error {}

/** A paper as `addEvidence` takes it. Throws `TooLarge`. */
export async function paperOf(file: File): Promise<{ title: string; content: string }> {
  const content = file.size <= MOST_BYTES ? file : file.type.startsWith("image/") ? await smaller(file) : null;
  if (content === null) throw new TooLarge(file.name);
  // A name's ending has to be that of its content.
  const name = content === file ? file.name : file.name.replace(/(\.\w+)?$/, ".jpg");
  return { title: name.slice(-200), content: base64Of(new Uint8Array(await content.arrayBuffer())) };
}

async function smaller(file: File): Promise<Blob | null> {
  const picture = await createImageBitmap(file).catch(() => null);
  if (picture === null) return null;
  for (let side = LONGEST_SIDE; side >= 600; side *= 0.75) {
    const scale = Math.min(1, side / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.round(picture.width * scale), Math.round(picture.height * scale)];
    canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((made) => canvas.toBlob(made, "image/jpeg", 0.85));
    if (blob !== null && blob.size <= MOST_BYTES) return blob;
  }
  return null;
}

function base64Of(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

/** Base64 as bytes. */
export const bytesOf = (content: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
