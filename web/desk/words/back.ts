/** Words of desk/back. */
import * as offers from "./offers";
import * as sandbox from "./sandbox";

const status = { DRAFT: "填写申请", SUBMITTED: "等待审核", QUALIFIED: "资格通过", CONTRACTED: "已签协议", SANDBOX: "沙箱对接", CERTIFIED: "验收通过", LIVE: "正式运行", SUSPENDED: "暂停", OFFBOARDED: "已退出" };
const sector = {
  bank: "银行", hospital: "医院", scenic: "景区", parking: "停车场", hotel: "酒店", property: "物业", transport: "客运", hall: "政务大厅",
  household: "家政", "elder-care": "养老", shop: "商店", park: "园区",
};

export const zh = {
  ...offers.zh,
  ...sandbox.zh,
  back: {
    reason: "原因", kept: "已经保存好", sector,
    settlement: {
      title: "结算", about: "每天零点后生成前一日的文件,生成后不再改动。每份文件都有平台签名,可在这里核对。",
      sum: "已列出 {files} 份,合计", borne: "承担方:{funder}", lines: "{lines} 笔", statement: "签名声明", check: "核对签名", checking: "正在核对…",
      good: "签名、校验值、笔数和合计都一致。", none: "还没有结算文件。有核销的第二天就会出现。",
      signature: "签名不是平台的,或内容被改动过。请重新下载;仍不对请联系平台运营人员。", purpose: "签名所用的密钥不是结算专用的。请联系平台运营人员。",
      csv: "CSV 与签名声明里的校验值不符。请重新下载;仍不对请联系平台运营人员。", json: "JSON 与签名声明里的校验值不符。请重新下载;仍不对请联系平台运营人员。",
      adding: "各行相加与声明的笔数或合计不符。请联系平台运营人员核对。",
    },
    keys: {
      title: "密钥", about: "每种用途最多同时两把有效。私钥只在贵单位手里:本页不发送、不保存。",
      new: "登记新密钥", use: "用途", uses: { DESK: "工作台", LIVE: "正式环境", SANDBOX: "沙箱" },
      for: { DESK: "办申请、管密钥和优惠", LIVE: "柜台程序核验、核销", SANDBOX: "对接测试,不涉及真人" },
      way: "怎么得到密钥", made: "在浏览器里生成(Ed25519)", madeNote: "私钥文件会立即下载,请妥善保管,丢了不能找回。", pasted: "粘贴自己生成的公钥(JWK)",
      jwk: "公钥(JWK)", second: "登记第二把后,第一把最迟 7 天内失效。", make: "生成并登记", register: "登记",
      live: "有效", revoked: "已吊销", expired: "已到期", since: "{at} 登记", until: "有效至 {at}", revokedAt: "{at} 吊销",
      revoke: "吊销", revokeNote: "吊销后这把密钥的登录立即失效,不能恢复。", stolen: "报告失窃",
      follows: "确认后会一次办完以下各项,不能撤回:", follow: { one: "这把密钥,以及失窃后用它登记的密钥,立即失效;", two: "失窃后由它作出的核验作废,占用的名额退回;", three: "码被它读过的人会收到通知;", four: "已核销的保留,并列出供逐笔核对。" },
      sinceWhen: "最早可能从什么时候起失窃", sinceNote: "请先填写时间。", undone: "已处理失窃的密钥",
      outcome: "失效密钥 {keys} 把,作废核验 {voided} 次(其中已核销 {redeemed} 次),通知 {told} 人。", reversed: "已冲正",
      none: "还没有登记密钥。", saved: "已登记。私钥文件已下载到这台电脑,请移到安全的地方。", enter: "用这把密钥进入沙箱", entering: "正在进入沙箱…",
    },
    byKey: { file: "私钥文件(JWK 或 PEM)", note: "文件只在本页内存中使用,不上传;刷新或关闭页面后需重新选择。" },
    hooks: {
      title: "事件推送", about: "订单、优惠、结算等有变化时,平台把事件推送到贵单位的地址。接收方 10 秒内答复 2xx 即可。",
      add: "添加接收地址", url: "接收地址", urlNote: "须为 https,443 或 8443 端口,互联网可访问。演示环境也接受本机地址。",
      wanted: "要哪些事件(都不选即全部)", all: "全部事件",
      family: { order: "后付订单", offer: "优惠", loan: "贷款", settlement: "结算", key: "密钥", partner: "机构", redemption: "核销与冲正", test: "测试" },
      secret: "签名密钥(只显示这一次)", secretNote: "用它核对事件的签名。请现在复制并妥善保存,之后无法再次查看。",
      none: "还没有接收地址。", ACTIVE: "推送中", PAUSED: "已暂停", counts: "待送 {waiting},未送达 {failed}", former: "旧密钥同时有效至 {at}",
      test: "发送测试事件", tested: "测试事件已发出,请看下面的记录。", change: "修改", pause: "暂停", pauseNote: "暂停期间事件会积压,恢复后按顺序送出。",
      resume: "恢复", rotate: "更换签名密钥", rotateNote: "新密钥马上生效;旧密钥在 24 小时内同时签名,请在此期间换好。", remove: "移除", removeNote: "移除后不再推送,记录保留。",
      log: "推送记录", state: "状态", any: "全部状态", states: { WAITING: "待送", DELIVERED: "已送达", FAILED: "未送达", SKIPPED: "已跳过" },
      attempts: "尝试 {count} 次", next: "下次 {at}", again: "第 {number} 次发送", details: "详情", noAnswer: "没有答复",
      resend: "重新发送", skip: "跳过", noLog: "还没有推送记录。", replay: "按时段重发", replayNote: "把一段时间内的事件按顺序重新发给现在需要它们的地址,每次最多 10,000 条。",
      from: "开始", until: "结束", replayed: "将重新发送 {count} 条。",
    },
    labels: {
      title: "岗位与值班名称", about: "登记之后,核验时只能用这里的名称。一个也不登记,则可以自由填写。",
      SITE: "岗位(闸口、窗口)", CLERK: "值班人员", note: { SITE: "不要写医院的科室。", CLERK: "用工号或代称,不必写真实姓名。" },
      new: { SITE: "新岗位,多个用顿号隔开", CLERK: "新值班名称,多个用顿号隔开" }, none: "还没有登记。", add: "登记", end: "停用", endOne: "停用 {label}", ended: "{at} 停用",
      gates: "登记离线闸机",
    },
    member: {
      title: "加入与资格", way: "加入的步骤", sentBack: "退回的原因:", status, next: "接下来:", due: "最迟 {day} 前审核完。", overdue: "审核已超过期限({day}),请联系运营人员。",
      submit: "提交申请", licenceFirst: "请先在下面上传营业执照或登记证书,再提交。", history: "经过",
    },
    papers: {
      title: "材料", none: "还没有材料。", kind: "材料种类", file: "选择文件", LICENCE: "执照或登记证", QUALIFICATION: "行业资质", CONTRACT: "协议", OTHER: "其他",
      add: "上传", note: "PDF、PNG 或 JPEG,不超过 700 KB。请不要上传含个人证件号码的材料。", tooLarge: "文件超过 700 KB,没有上传。请压缩后再试。", gone: "这份材料已不在。请刷新后再看。",
    },
    rights: {
      title: "可以核验什么", about: "对出示码的人,贵单位只会得到「权益适用」或「按标准服务办理」。每一项都要先获得同意。", ask: "申请新的一项",
      WAITING: "等待答复", HELD: "已获准", REVOKED: "已终止", REFUSED: "未获准", due: "最迟 {day} 答复",
      service: "优惠种类", model: "评价模型", threshold: "达到哪一档", orBetter: "{name}及以上", send: "提交申请",
    },
    apply: {
      title: "申请加入守信激励联盟", about: "填写单位信息后,浏览器会生成一把密钥:它就是贵单位登录工作台的凭证。接着上传材料、提交申请。",
      place: "所在地", sector: "行业", name: "单位全称", uscc: "统一社会信用代码(18 位)", contact: "联系方式(可不填)", contactNote: "填部门的地址、总机或信箱,不要填个人的。",
      keyNote: "点「开始申请」后私钥文件会立即下载。请妥善保管:以后凭它登录,丢了要联系运营人员。", send: "开始申请", before: "已经申请过?用密钥文件登录", enter: "登录",
    },
  },
};

export const en: typeof zh = {
  ...offers.en,
  ...sandbox.en,
  back: {
    reason: "Reason", kept: "I have kept it",
    sector: {
      bank: "Bank", hospital: "Hospital", scenic: "Scenic spot", parking: "Car park", hotel: "Hotel", property: "Property", transport: "Coaches", hall: "Government hall",
      household: "Household", "elder-care": "Elder care", shop: "Shop", park: "Business park",
    },
    settlement: {
      title: "Settlement", about: "The file of each day is made after midnight and never changes. Each is signed, and can be checked here.",
      sum: "{files} files listed, in all", borne: "Borne by {funder}", lines: "{lines} lines", statement: "Statement", check: "Check the signature", checking: "Checking…",
      good: "Signature, hashes, number of lines and total agree.", none: "No settlement files yet. They appear on the day after a redemption.",
      signature: "The signature is not ours, or something was changed. Download it again, or tell the operators.", purpose: "It was signed with a key that is not for settlement. Please tell the operators.",
      csv: "The CSV does not have the hash of the statement. Download it again, or tell the operators.", json: "The JSON does not have the hash of the statement. Download it again, or tell the operators.",
      adding: "The lines do not add up to what the statement says. Please tell the operators.",
    },
    keys: {
      title: "Keys", about: "Two of each use are live at most. The private half is yours alone: this page neither sends nor keeps it.",
      new: "Register a key", use: "Use", uses: { DESK: "Desk", LIVE: "Live", SANDBOX: "Sandbox" },
      for: { DESK: "application, keys and offers", LIVE: "verifying and redeeming at counters", SANDBOX: "trying things out, with nobody real" },
      way: "Where it comes from", made: "Made in this browser (Ed25519)", madeNote: "The private file is downloaded at once. Keep it well: it cannot be had again.", pasted: "Paste a public key (JWK) of your own",
      jwk: "Public key (JWK)", second: "A second key ends the first within 7 days.", make: "Make and register", register: "Register",
      live: "Live", revoked: "Revoked", expired: "Expired", since: "registered {at}", until: "until {at}", revokedAt: "revoked {at}",
      revoke: "Revoke", revokeNote: "Whoever signed in with this key is out at once. This cannot be taken back.", stolen: "Report stolen",
      follows: "All of this is done at once, and cannot be taken back:", follow: { one: "this key, and keys registered with it since, end now;", two: "what it verified since is void, and quota goes back;", three: "people whose code it read find a notice;", four: "what was redeemed stays, and is listed for you to go through." },
      sinceWhen: "The earliest time at which it may have been stolen", sinceNote: "Please give the time first.", undone: "The stolen key is dealt with",
      outcome: "{keys} keys ended, {voided} verifications void ({redeemed} of them redeemed), {told} people told.", reversed: "reversed",
      none: "No keys are registered.", saved: "Registered. The private file was downloaded to this computer: put it in a safe place.", enter: "Enter the sandbox with it", entering: "Entering the sandbox…",
    },
    byKey: { file: "Private key file (JWK or PEM)", note: "It is used in the memory of this page and never uploaded; after a reload it has to be chosen again." },
    hooks: {
      title: "Webhooks", about: "When orders, offers, settlement files and so on change, an event is posted to your address. Answer 2xx within 10 seconds.",
      add: "Add an address", url: "Address", urlNote: "https on port 443 or 8443, on the open internet. The demo also takes this machine's.",
      wanted: "Which events (none chosen: all)", all: "All events",
      family: { order: "Orders", offer: "Offers", loan: "Loans", settlement: "Settlement", key: "Keys", partner: "Partner", redemption: "Redemptions", test: "Tests" },
      secret: "Signing secret (shown once)", secretNote: "Signatures are checked with it. Copy it now and keep it; it is not shown again.",
      none: "No addresses yet.", ACTIVE: "Sending", PAUSED: "Paused", counts: "{waiting} waiting, {failed} failed", former: "The former secret signs too until {at}",
      test: "Send a test event", tested: "The test event is on its way: see the log below.", change: "Change", pause: "Pause", pauseNote: "Events pile up meanwhile, and are sent in order afterwards.",
      resume: "Resume", rotate: "Change the secret", rotateNote: "The new secret holds at once; the former signs too for 24 hours.", remove: "Remove", removeNote: "Nothing is sent any more; the log stays.",
      log: "Deliveries", state: "State", any: "All states", states: { WAITING: "Waiting", DELIVERED: "Delivered", FAILED: "Failed", SKIPPED: "Skipped" },
      attempts: "{count} attempts", next: "next {at}", again: "sending no. {number}", details: "Details", noAnswer: "no answer",
      resend: "Send again", skip: "Skip", noLog: "Nothing has been sent yet.", replay: "Send a span again", replayNote: "Events of a span go out again in order to every address that wants them now, 10,000 at most.",
      from: "From", until: "Until", replayed: "{count} will be sent again.",
    },
    labels: {
      title: "Counters and clerks", about: "Once names are registered, a verification takes no others. With none, any will do.",
      SITE: "Counters (gates, windows)", CLERK: "People on duty", note: { SITE: "Never a hospital's department.", CLERK: "A number or nickname will do." },
      new: { SITE: "New counters, with commas", CLERK: "New names, with commas" }, none: "None are registered.", add: "Register", end: "End", endOne: "End {label}", ended: "ended {at}",
      gates: "Register gates without network",
    },
    member: {
      title: "Membership", way: "The way in", sentBack: "Sent back because:", next: "Next:", due: "To be looked at by {day}.", overdue: "This should have been looked at by {day}: please ask the operators.",
      status: { DRAFT: "Draft", SUBMITTED: "Submitted", QUALIFIED: "Qualified", CONTRACTED: "Contracted", SANDBOX: "Sandbox", CERTIFIED: "Certified", LIVE: "Live", SUSPENDED: "Suspended", OFFBOARDED: "Left" },
      submit: "Submit the application", licenceFirst: "Please upload the licence below first.", history: "How it came here",
    },
    papers: {
      title: "Papers", none: "No papers yet.", kind: "What it is", file: "Choose a file", LICENCE: "Licence", QUALIFICATION: "Qualification", CONTRACT: "Contract", OTHER: "Other",
      add: "Upload", note: "PDF, PNG or JPEG of at most 700 KB. Nothing with a person's identity number, please.", tooLarge: "The file is larger than 700 KB and was not uploaded. Please make it smaller.", gone: "This paper is gone. Please reload.",
    },
    rights: {
      title: "What you may ask", about: "You only ever learn whether a benefit applies or the standard service is given. Each right is granted first.", ask: "Ask for another",
      WAITING: "Waiting", HELD: "Granted", REVOKED: "Ended", REFUSED: "Not granted", due: "answered by {day}",
      service: "Kind of benefit", model: "Model", threshold: "Lowest grade", orBetter: "{name} or better", send: "Ask",
    },
    apply: {
      title: "Apply to join the alliance", about: "Fill in your organisation, and this browser makes a key: it is what you sign in with. Then hand in papers, and submit.",
      place: "Place", sector: "Sector", name: "Full name", uscc: "Unified social credit code (18 signs)", contact: "Contact (may be left out)", contactNote: "A department's address, switchboard or mailbox; nobody's own.",
      keyNote: "The private key is downloaded as soon as you begin. Keep it well: you sign in with it.", send: "Begin", before: "Applied before? Sign in with the key file", enter: "Sign in",
    },
  },
};
