// The public page, by whoever wants to know: rules with their sources, offers, what is published of an enterprise, and
// papers checked in the browser. Nobody signs in.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { actAs, address, SHOW } from "../city.mjs";
import { accessible, closeBrowser, everyLook, open, picture } from "../pages.mjs";

test.after(closeBrowser);

/** A receipt for a scan of citizen 13 at the second scenic spot. */
async function receipt() {
  const [citizen, scenic] = await Promise.all([actAs("citizen", 13), actAs("scenic", 2)]);
  const { partner } = await scenic("{ partner { name offers(first: 1) { edges { node { id title } } } } }");
  const { node: offer } = partner.offers.edges[0];
  const { issueCreditCode } = await citizen(SHOW, {});
  const input = { requestId: crypto.randomUUID(), code: issueCreditCode.token, offerId: offer.id };
  const { verifyCreditCode } = await scenic("mutation ($input: VerifyCreditCodeInput!) { verifyCreditCode(input: $input) { ... on Verification { receipt outcome } } }", input);
  return { text: verifyCreditCode.receipt, outcome: verifyCreditCode.outcome, partner: partner.name, offer: offer.title };
}

async function report(format) {
  const citizen = await actAs("citizen", 13);
  const { exportMine } = await citizen("mutation ($input: ExportMineInput!) { exportMine(input: $input) { ... on ExportedReport { content } ... on Problem { code message } } }", { format });
  return Buffer.from(exportMine.content, "base64");
}

const changed = (text, at) => text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
const paste = async (page, text) => {
  await page.getByLabel("粘贴回执或证明的原文").fill(text);
  await page.getByRole("button", { name: "核对", exact: true }).click();
};
const hand = (page, name, mimeType, buffer) => page.getByLabel("选择文件或图片").setInputFiles({ name, mimeType, buffer });

test("every rule of a model is told with its source, and earlier versions can be had", async () => {
  const { page, wrong, close } = await open("open", { size: "desktop" });
  await page.getByRole("heading", { name: "湖南省邵阳市" }).waitFor();
  await page.getByRole("link", { name: "河北省企业信用分级分类" }).or(page.getByRole("link", { name: /河北/ })).first().click();
  await page.getByRole("heading", { level: 2, name: /全部规则/ }).waitFor();
  const rules = await page.getByRole("heading", { level: 3 }).count();
  assert.ok(rules > 0);
  assert.equal(await page.getByText("依据:", { exact: true }).count(), rules + 1);
  await page.getByText(/关于推进企业信用分级分类监管工作的实施意见/).first().waitFor();
  await page.goBack();
  await page.getByRole("link", { name: "激励措施" }).click();
  await page.getByLabel("地方").selectOption("hunan-shaoyang");
  await page.getByRole("heading", { name: "信易医:先诊疗、后付费" }).waitFor();
  await page.getByLabel("类别").selectOption("medical");
  await page.getByText(/〈湖南省社会信用分级分类管理办法\(试行\)〉/).first().waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("offers are found by words, and come page by page", async () => {
  const { page, wrong, close } = await open("open", { view: "/offers" });
  await page.getByRole("button", { name: "再看一些" }).click();
  await page.getByRole("heading", { level: 2 }).nth(20).waitFor();
  await page.getByLabel("找优惠:名称、机构或内容").fill("青竹银行 材料后补");
  await page.getByRole("button", { name: "再看一些" }).waitFor({ state: "detached" });
  const found = await page.getByRole("listitem").allInnerTexts();
  assert.ok(found.length > 0 && found.every((text) => text.includes("青竹银行") && text.includes("材料后补")));
  assert.deepEqual(wrong, []);
  await close();
});

test("what is published of an enterprise is found by its whole name, and nobody by half of it", async () => {
  const firm = await actAs("enterprise", 1);
  const { me } = await firm("{ me { displayName } }");
  const { page, wrong, close } = await open("open", { view: "/records", size: "desktop" });
  await page.getByLabel("企业全称或统一社会信用代码").fill(me.displayName);
  await page.getByRole("button", { name: "查找" }).click();
  const found = page.getByRole("region", { name: "这家企业的公示信息" });
  await found.getByRole("heading", { level: 3, name: me.displayName }).first().waitFor();
  await page.getByLabel("企业全称或统一社会信用代码").fill(me.displayName.slice(0, 3));
  await page.getByRole("button", { name: "查找" }).click();
  await found.getByText("没有查到公示信息").waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("a receipt is checked in the browser, and one with a changed letter is refused", async () => {
  const held = await receipt();
  const { page, wrong, close } = await open("open", { view: "/check" });
  await paste(page, held.text);
  await page.getByRole("heading", { name: "签名有效:这是一张真实的核验回执" }).waitFor();
  await page.getByText(held.partner).waitFor();
  await page.getByText(held.offer).waitFor();
  await page.getByText(held.outcome === "BENEFIT_APPLIES" ? "适用优惠" : "按标准服务办理", { exact: true }).waitFor();
  await picture(page, "open-checked-receipt-phone-light");
  await paste(page, changed(held.text, held.text.length - 20));
  await page.getByText("签名与内容不符").waitFor();
  await paste(page, `${held.text}==`);
  await page.getByText("编码不规范").waitFor();
  await paste(page, changed(held.text, held.text.indexOf(".") + 3));
  await page.getByRole("heading", { name: "核对不通过" }).waitFor();
  await hand(page, "receipt.txt", "text/plain", Buffer.from(`${held.text}\n`));
  await page.getByRole("heading", { name: "签名有效:这是一张真实的核验回执" }).waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("a credit report is checked from its file, and an altered one is refused", async () => {
  const [pdf, json] = [await report("PDF"), await report("JSON")];
  const { page, wrong, close } = await open("open", { view: "/check", size: "desktop" });
  const holds = page.getByRole("heading", { name: "签名有效:这份信用报告没有被改动" });
  await hand(page, "mine.pdf", "application/pdf", pdf);
  await holds.waitFor();
  await page.getByText("平台登记过这个编号和校验值的报告。").waitFor();
  await accessible(page);
  await picture(page, "open-checked-report-desktop-light");
  const said = JSON.parse(json);
  said.report.subject.display_name = "另一个人";
  await hand(page, "other.json", "application/json", Buffer.from(JSON.stringify(said)));
  await page.getByText("文件里写的与签名的内容不同").waitFor();
  await hand(page, "mine.json", "application/json", json);
  await holds.waitFor();
  const broken = Buffer.from(pdf);
  broken.fill(0x41, broken.lastIndexOf("/EmbeddedFile") + 200, broken.lastIndexOf("/EmbeddedFile") + 260);
  await hand(page, "broken.pdf", "application/pdf", broken);
  await page.getByRole("heading", { name: "核对不通过" }).waitFor();
  await paste(page, `${address}/reports/01a204ba-8308-709f-b906-a1bcecdaf5c7/${"0".repeat(64)}`);
  await page.getByRole("heading", { name: "平台没有登记过这个编号和校验值的报告。" }).waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("a QR code of a receipt is read from a picture, and a picture without one is said to have none", async () => {
  const held = await receipt();
  const { prepareZXingModule, writeBarcode } = await import("zxing-wasm/writer");
  // Left alone it fetches itself from somewhere else.
  const wasmBinary = await readFile(new URL(import.meta.resolve("zxing-wasm/writer/zxing_writer.wasm")));
  prepareZXingModule({ overrides: { wasmBinary } });
  const { image } = await writeBarcode(held.text, { format: "QRCode", scale: 4 });
  // Allowed, and there is none: what a computer without a camera says.
  const { page, wrong, close } = await open("open", { view: "/check", permissions: ["camera"] });
  await hand(page, "qr.png", "image/png", Buffer.from(await image.arrayBuffer()));
  await page.getByRole("heading", { name: "签名有效:这是一张真实的核验回执" }).waitFor();
  await hand(page, "none.png", "image/png", await page.getByRole("navigation").screenshot());
  await page.getByText("图片里没有读到二维码").waitFor();
  await page.getByRole("button", { name: "用摄像头扫码" }).click();
  await page.getByText("用不了摄像头").waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

const VIEWS = {
  models: ["/", (page) => page.getByRole("heading", { name: "湖南省邵阳市" })],
  model: ["/models/xiangxinfen", (page) => page.getByRole("heading", { level: 2, name: /全部规则/ })],
  measures: ["/measures", (page) => page.getByText(/^共 \d+ 项$/)],
  offers: ["/offers", (page) => page.getByRole("button", { name: "再看一些" })],
  records: ["/records", (page) => page.getByRole("heading", { level: 3 }).first()],
  check: ["/check", (page) => page.getByLabel("粘贴回执或证明的原文")],
};
for (const [view, [path, ready]] of Object.entries(VIEWS)) {
  test(`${view} can be read by everybody, small and large, light and dark`, async () => {
    const { page, wrong, close } = await open("open", { view: path });
    await ready(page).waitFor();
    await everyLook(page, `open-${view}`);
    assert.deepEqual(wrong, []);
    await close();
  });
}
