// How a page is held against what people have and write: narrow screens, large letters, texts made to break it, and a
// network that fails.
import assert from "node:assert/strict";

/** Marks, quotes, pictures of several signs, another direction of writing, and words that do not end. */
export const HOSTILE = `<img src=x onerror="document.title='broken'">"'\`{{7*7}}&amp;${"😀"}\u{1F468}\u200D\u{1F469}\u200D\u{1F467} مرحبا \u202Eabc\u202C ${"W".repeat(90)}${"长".repeat(60)}`;

/** As narrow as a page has to be readable at. */
export const NARROW = { width: 320, height: 640 };

/** What of a view lies outside of the screen, or is cut off in its own box; nothing, where all can be read. */
export const cutOff = (page) =>
  page.evaluate(() => {
    const wide = document.documentElement.clientWidth;
    const found = document.documentElement.scrollWidth > wide ? [`the page is ${document.documentElement.scrollWidth} wide`] : [];
    for (const one of document.querySelectorAll("#page *")) {
      const { left, right, width } = one.getBoundingClientRect();
      // Kept for who listens, the links to skip to, and drawings.
      if (width === 0 || one.closest(".hidden, .skip, svg, .place, .connection")) continue;
      const told = `${one.tagName}.${one.className} «${one.textContent.slice(0, 30)}»`;
      if (right > wide + 1 || left < -1) found.push(`outside: ${told} ${Math.round(left)}–${Math.round(right)}`);
      if (getComputedStyle(one).overflowX !== "visible" && one.scrollWidth > one.clientWidth + 1) found.push(`cut off: ${told} ${one.scrollWidth} in ${one.clientWidth}`);
    }
    return found.slice(0, 5);
  });

/** Letters as large as somebody sets them in the browser, in percent. */
export const letters = (page, percent) => page.evaluate((size) => void (document.documentElement.style.fontSize = `${size}%`), percent);

/** From now on every Chinese text that the server gives ends in one that is made to break the page. */
export async function brokenTexts(page) {
  const broken = (value) => {
    if (typeof value === "string") return /\p{Script=Han}/u.test(value) ? value + HOSTILE : value;
    if (Array.isArray(value)) return value.map(broken);
    return value === null || typeof value !== "object" ? value : Object.fromEntries(Object.entries(value).map(([key, one]) => [key, broken(one)]));
  };
  await page.route("**/graphql", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: broken(await answer.json()) });
  });
}

/** Wait until a view has read what it shows. */
export async function settled(page) {
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  await page.waitForFunction(() => document.querySelector("main [aria-busy=true]") === null);
}

/** The next act does not reach the server; the page says so, and does what it is told again. */
export async function failsOnce(page, act, isIt) {
  let failed = 0;
  const seam = async (route) => {
    if (failed > 0 || !isIt(route.request().postDataJSON()?.variables?.input ?? {})) return route.fallback();
    failed += 1;
    return route.abort();
  };
  await page.route("**/graphql", seam);
  await act();
  await page.getByRole("alert").filter({ hasText: "不知道是否已经办成" }).first().waitFor();
  assert.equal(failed, 1);
  await page.unroute("**/graphql", seam);
  await act();
}
