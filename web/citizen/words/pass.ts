/** Words of citizen/pass. */
export const zh = {
  pass: {
    title: "离线凭证",
    what: "去没有网络的闸机之前,先在这里取一张。当天有效,每天一张;凭证里没有您的姓名和信用情况。",
    none: "目前没有可以离线使用的优惠。有网络的地方,出示信用码就好。",
    code: "离线凭证", picture: "离线码二维码",
    until: "今天 24 时前有效。", alone: "没有网络也能出示,请不要关掉这一页。",
    away: "收起", end: "停用", show: "出示", take: "取今天的凭证", turnOn: "打开", turnOff: "关闭", again: "重新打开",
    on: "已打开。今天要用,请先取一张。", inPhone: "凭证在这台手机里。",
    used: "今天的凭证已在 {at} 用过。明天可以再取;今天还想用,请联网出示信用码。",
    endToday: "停用后,今天不能再取;联网出示信用码照常可用。",
    ownPhone: "代别人办理时不能取凭证:它只能放在本人自己的手机里。",
    rests: "{at} 起暂停取凭证。",
    restsWhy: "有一张凭证在两台闸机上各用了一次。可能是闸机的时钟不准,也可能是屏幕被别人拍下。这不影响您的评价,合作机构也不会知道;联网出示信用码照常可用。",
    restsDo: "请看一看查询记录里的时间和地点。都是您本人用的,重新打开就可以;不是您用的,可以在“办理进度”中投诉。",
    toLog: "看查询记录",
    uses: "闸机报来的使用", usesWhat: "闸机联网之后,才会把使用报过来,所以可能晚一些。",
  },
};
export const en = {
  pass: {
    title: "Off-line pass",
    what: "Fetch one before you go to a gate without network. It holds for the day, one a day; your name and your credit are not in it.",
    none: "No offer can be had off line at present. Where there is a network, show your credit code.",
    code: "Off-line pass", picture: "QR code of the pass",
    until: "Good until midnight.", alone: "It can be shown without network; please keep this page open.",
    away: "Put away", end: "End it", show: "Show", take: "Fetch today's pass", turnOn: "Turn on", turnOff: "Turn off", again: "Turn on again",
    on: "On. Fetch a pass if you want to use it today.", inPhone: "The pass is in this phone.",
    used: "Today's pass was used at {at}. You can fetch another tomorrow; today, show your credit code where there is a network.",
    endToday: "Once ended, there is no other today; your credit code works as ever.",
    ownPhone: "No pass can be fetched while you act for another: it belongs in that person's own phone.",
    rests: "No passes are given since {at}.",
    restsWhy: "A pass was used once at each of two gates. A gate's clock may be wrong, or somebody photographed your screen. It does not touch your result and no partner hears of it; your credit code works as ever.",
    restsDo: "Please look at the times and places in the log. If both were yours, turn it on again; if not, you can complain under “Progress”.",
    toLog: "Look at the log",
    uses: "Uses told by gates", usesWhat: "Gates tell of a use when they are on line again, so it may take a while.",
  },
};
