import { open, closeBrowser, picture, accessible, addressOf } from "./pages.mjs";
const who = JSON.parse(process.argv[2] ?? '["citizen",1]');
for (const view of (process.argv[3] ?? "/,/score,/benefits,/mine").split(",")) {
  for (const [size, dark] of JSON.parse(process.argv[4] ?? '[["phone",false]]')) {
    const { page, wrong, close } = await open("citizen", { as: who, size, dark });
    await page.goto(addressOf("citizen", view));
    await page.waitForTimeout(2500);
    await picture(page, `l-${who.join("")}-${view.replace("/", "") || "code"}-${size}-${dark ? "dark" : "light"}`);
    await accessible(page).catch((e) => console.log(String(e.message).slice(0, 1500)));
    console.log(view, size, dark, wrong);
    await close();
  }
}
await closeBrowser();
