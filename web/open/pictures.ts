/** A QR code in a picture. One thing to know: a photograph is made smaller first, which costs nothing in reading. */
import decodeQR from "qr/decode.js";

const LARGEST = 1_600;

/** The text of the QR code in a picture; null where none can be read. */
export async function readPicture(file: Blob): Promise<string | null> {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
    const [width, height] = [Math.round(picture.width * scale), Math.round(picture.height * scale)];
    const canvas = new OffscreenCanvas(width, height).getContext("2d")!;
    canvas.drawImage(picture, 0, 0, width, height);
    return decodeQR(canvas.getImageData(0, 0, width, height));
  } catch {
    return null;
  }
}
