// Every text of the page, in English and Chinese, one entry a line: "key": ["English", "中文"].

const TEXTS = {
  "page.title": ["Counterhub: this counter", "Counterhub：本收银台"],
  "page.tagline": ["Scanner, receipt printer, cash drawer and status LED on one supervised link", "扫码枪、小票打印机、钱箱和状态灯，共用一条受监护的连接"],
  "page.skip": ["Skip to the content", "跳到正文"],
  "page.language": ["Language", "语言"],
  "page.api": ["The API, for till software", "给收银软件用的接口"],
  "page.version": ["Bridge {version}", "桥接服务 {version}"],
  "page.virtual": ["with a virtual hub", "使用虚拟集线盒"],
  "page.emulated": ["with an emulated Pico", "使用模拟的 Pico"],

  "hubs.heading": ["All counters", "所有收银台"],
  "hubs.all": ["← All", "← 全部"],
  "hubs.all_fine": ["Every counter can sell.", "所有收银台均可收银。"],
  "hubs.some_broken": ["{n} of {all} counters can't sell.", "{all} 个收银台中有 {n} 个无法收银。"],
  "hubs.ok": ["Ready", "就绪"],
  "hubs.warning": ["Warning", "警告"],
  "hubs.error": ["Fault", "故障"],
  "hubs.unknown": ["There is no hub “{name}”. Choose one of these.", "没有名为“{name}”的集线盒，请从下面选择。"],
  "hubs.id": ["Hub {id}", "集线盒 {id}"],
  "hubs.never_met": ["Its hub has not been met yet", "尚未连接过集线盒"],

  "connection.live": ["Live", "实时"],
  "connection.connecting": ["Connecting…", "正在连接…"],
  "connection.lost": ["Bridge not reached", "连不上桥接服务"],

  "situation.heading": ["What is going on", "当前情况"],
  "situation.loading": ["Asking the bridge how the counter is…", "正在向桥接服务询问收银台状况…"],
  "situation.fine": ["Everything works. You can sell.", "一切正常，可以收银。"],
  "situation.fine_detail": ["Link, scanner, printer and drawer are in order. If anything breaks, this place says what to do.", "连接、扫码枪、打印机和钱箱都正常。一旦出问题，这里会告诉您该怎么做。"],
  "situation.do": ["What to do now", "现在怎么做"],
  "situation.cause": ["Why", "原因"],
  "situation.since": ["Since {time} ({ago})", "自 {time} 起（{ago}）"],
  "situation.light_waits": ["On the LED: slow blue blinking; dark if the hub has no power", "状态灯：蓝灯慢闪；集线盒没电时不亮"],
  "situation.light_unshown": ["The LED does not show it", "状态灯不显示"],
  "situation.blinks": ["On the LED: {n} flashes, pause", "状态灯：闪 {n} 下，停顿"],
  "situation.more": ["Also", "另外"],
  "situation.code": ["Code {code}", "代码 {code}"],
  "situation.cleared": ["No faults any more. You can sell.", "故障已全部解除，可以收银。"],
  "situation.lost": ["The bridge doesn't answer", "桥接服务没有回应"],
  "situation.lost_remedy": ["Start the Counterhub service on this till again (command: counterhub run). This page connects by itself as soon as the service is back.", "请在本机重新启动 Counterhub 服务（命令：counterhub run）。服务恢复后，本页面会自动重新连接。"],
  "situation.lost_cause": ["The service on the till has stopped, or the network between this page and the till is broken. The hub goes on keeping scans meanwhile. What you see below is from before.", "收银机上的服务已停止，或本页面与收银机之间的网络中断。其间集线盒会继续保存扫码。下面显示的是之前的内容。"],
  "situation.slow": ["This page was too slow to follow and was cut off. It is connecting again.", "本页面跟不上更新而被断开，正在重新连接。"],
  "situation.refused": ["The bridge refused this page. Open it at the address that the bridge printed when it started.", "桥接服务拒绝了本页面。请用服务启动时显示的地址打开。"],
  "situation.retry_in": ["Next try in {n} s", "{n} 秒后重试"],
  "situation.retrying": ["Trying now…", "正在重试…"],
  "situation.unsure": ["A receipt is unconfirmed", "有小票未确认"],
  "situation.unsure_many": ["{n} receipts are unconfirmed", "有 {n} 张小票未确认"],
  "situation.unsure_remedy": ["Nobody can know whether it came out. Look at the paper before you print it again.", "无法得知是否打出。再次打印前请先查看纸张。"],
  "situation.unsure_show": ["Show receipts", "查看小票"],
  "situation.retry": ["Try now", "立即重试"],

  "severity.error": ["Fault", "故障"],
  "severity.warning": ["Warning", "警告"],
  "severity.notice": ["Notice", "提示"],

  "path.heading": ["The way of a sale", "一笔生意怎么走"],
  "path.caption": ["A scan travels from right to left and waits safely until the till has it. A receipt travels from left to right and counts as printed only when the printer itself says so.", "扫码从右往左走，收银软件取走之前一直妥善保存；小票从左往右走，打印机自己确认后才算已打印。"],
  "path.computer": ["On the till's computer", "收银机里"],
  "path.counter": ["On the counter", "柜台上"],
  "path.till": ["Till software", "收银软件"],
  "path.till_what": ["the program that sells", "用来收银的程序"],
  "path.bridge": ["Bridge", "桥接服务"],
  "path.bridge_what": ["keeps it all safe", "保存一切不能丢的"],
  "path.hub": ["Hub", "集线盒"],
  "path.summary": ["Drawing: {parts}.", "示意图：{parts}。"],

  "device.link": ["Link", "连接"],
  "device.hub": ["Hub", "集线盒"],
  "device.indicator": ["Status LED", "状态灯"],
  "device.scanner": ["Scanner", "扫码枪"],
  "device.printer": ["Receipt printer", "小票打印机"],
  "device.drawer": ["Cash drawer", "钱箱"],
  "device.bridge": ["Bridge", "桥接服务"],
  "devices.heading": ["The parts, one by one", "逐个看各部件"],

  "status.unknown": ["Not known", "未知"],
  "status.ready": ["Ready", "就绪"],
  "status.off": ["Switched off", "已关闭"],
  "status.fault": ["Fault", "故障"],
  "status.warning": ["Attention", "请留意"],
  "status.running": ["Running", "运行中"],
  "status.stopped": ["Not reached", "连不上"],
  "status.connecting": ["Connecting", "正在连接"],
  "status.waiting": ["To take: {n}", "待取扫码：{n}"],
  "status.none_waiting": ["No scans waiting", "没有待取的扫码"],
  "status.up": ["Up", "已连通"],
  "status.down": ["Down", "已断开"],
  "status.hub_ok": ["Working", "工作正常"],
  "status.safe_mode": ["Safe mode", "安全模式"],
  "status.no_hub": ["No hub yet", "尚未见到集线盒"],
  "status.printing": ["Printing", "正在打印"],
  "status.cover_open": ["Cover open", "机盖打开"],
  "status.paper_end": ["Out of paper", "缺纸"],
  "status.paper_near_end": ["Paper low", "纸快用完"],
  "status.cutter": ["Cutter jammed", "切刀卡住"],
  "status.offline": ["Not answering", "没有应答"],
  "status.closed": ["Closed", "已关上"],
  "status.open": ["Open", "打开着"],

  "link.port": ["Port", "端口"],
  "link.transport": ["Carried by", "传输方式"],
  "link.round_trip": ["Round trip", "往返时间"],
  "link.since": ["Since", "起始"],
  "link.reason": ["Why it is down", "断开原因"],
  "link.session": ["Session", "会话"],
  "link.primary": ["Main cable", "主线缆"],
  "link.backup": ["Backup cable", "备用线缆"],
  "link.path.in_use": ["in use", "使用中"],
  "link.path.standby": ["ready", "就绪"],
  "link.path.down": ["does not work", "不可用"],
  "link.path.other_hub": ["leads to another hub", "接到了另一个集线盒"],
  "link.statistics": ["Counters", "计数"],
  "link.milliseconds": ["{n} ms", "{n} 毫秒"],

  "hub.name": ["Name", "名称"],
  "hub.board": ["Board", "电路板"],
  "hub.firmware": ["Firmware", "固件"],
  "hub.boots": ["Starts so far", "启动次数"],
  "hub.reset": ["Last started by", "上次启动原因"],
  "hub.crumb": ["Last crash", "上次崩溃"],
  "hub.problem": ["Wrong in its board file or storage", "板卡配置或存储问题"],

  "indicator.rhythm": ["Rhythm", "节奏"],
  "indicator.steady": ["steady {colour}", "{colour}常亮"],
  "indicator.dark": ["dark", "不亮"],
  "indicator.flashes": ["{colour}, {n} × then again", "{colour}，每轮闪 {n} 下"],
  "indicator.turns": ["{colour}, turns {other} {n} ×", "{colour}，每轮变{other} {n} 次"],
  "indicator.unsure": ["The link is down: this is what the hub should be showing.", "连接已断开：这是集线盒此时应显示的灯光。"],
  "colour.dark": ["dark", "不亮"],
  "colour.white": ["white", "白灯"],
  "colour.amber": ["amber", "黄灯"],
  "colour.violet": ["violet", "紫灯"],
  "colour.cyan": ["cyan", "青灯"],
  "colour.red": ["red", "红灯"],
  "colour.green": ["green", "绿灯"],
  "colour.blue": ["blue", "蓝灯"],

  "scanner.scans": ["Scans since the start", "启动以来的扫码"],
  "scanner.waiting": ["Waiting for the till", "等待收银软件"],
  "scanner.expire": ["A scan expires after", "扫码过期时间"],
  "scanner.seconds": ["{n} s", "{n} 秒"],
  "printer.paper": ["Paper", "纸张"],
  "printer.cover": ["Cover", "机盖"],
  "printer.cutter": ["Cutter", "切刀"],
  "printer.queue": ["Jobs in the queue", "排队任务"],
  "printer.asb": ["Status bytes", "状态字节"],
  "printer.paper.ok": ["enough", "充足"],
  "printer.paper.near_end": ["running low", "快用完"],
  "printer.paper.end": ["used up", "已用完"],
  "printer.paper.unknown": ["not known", "未知"],
  "printer.cover.open": ["open", "打开"],
  "printer.cover.closed": ["closed", "关好"],
  "printer.cutter.ok": ["free", "正常"],
  "printer.cutter.jammed": ["jammed", "卡住"],
  "drawer.last": ["Last request", "最近一次请求"],
  "kick.requested": ["requested", "已请求"],
  "kick.opened": ["opened", "已打开"],
  "kick.unverified": ["pulse given, no switch to confirm it", "已给脉冲，无开关可确认"],
  "kick.failed": ["not opened", "未打开"],

  "scans.heading": ["Scans", "扫码"],
  "scans.intro": ["Newest first. A scan waits here until till software acknowledges it, or it expires. It is never handed over twice.", "最新在前。扫码会等到收银软件确认取走，或过期；绝不会交付两次。"],
  "scans.empty": ["No scans yet. Scan any barcode and it appears here at once.", "还没有扫码。扫任意条码，立刻显示在这里。"],
  "scans.loading": ["Loading scans…", "正在载入扫码…"],
  "scans.expires_in": ["expires in {n} s", "{n} 秒后过期"],
  "scans.whole": ["Show all {n} characters", "显示全部 {n} 个字符"],
  "scans.blank": ["(empty)", "（空）"],
  "scans.repeat": ["Repeat: same code within 0.4 s", "重复：0.4 秒内同一条码"],
  "scans.gs1_bad": ["GS1 data wrong", "GS1 数据错误"],
  "scans.check_bad": ["Wrong check digit", "校验位错误"],
  "scans.check_ok": ["Check digit right", "校验位正确"],
  "scan.waiting": ["Waiting", "等待取走"],
  "scan.delivered": ["Delivered", "已交付"],
  "scan.expired": ["Expired", "已过期"],

  "symbology.none": ["Not stated", "未标明"],
  "symbology.ean13": ["EAN-13 / UPC-A", "EAN-13 / UPC-A"],
  "symbology.ean_addon": ["EAN with add-on", "EAN（带附加码）"],
  "symbology.ean8": ["EAN-8", "EAN-8"],
  "symbology.code128": ["Code 128", "Code 128"],
  "symbology.gs1_128": ["GS1-128", "GS1-128"],
  "symbology.code39": ["Code 39", "Code 39"],
  "symbology.code93": ["Code 93", "Code 93"],
  "symbology.itf": ["Interleaved 2 of 5", "交叉二五码"],
  "symbology.codabar": ["Codabar", "库德巴码"],
  "symbology.qr": ["QR code", "二维码（QR）"],
  "symbology.gs1_qr": ["GS1 QR code", "GS1 二维码（QR）"],
  "symbology.datamatrix": ["Data Matrix", "Data Matrix"],
  "symbology.gs1_datamatrix": ["GS1 Data Matrix", "GS1 Data Matrix"],
  "symbology.databar": ["GS1 DataBar", "GS1 DataBar"],
  "symbology.pdf417": ["PDF417", "PDF417"],
  "symbology.aztec": ["Aztec", "Aztec"],

  "jobs.heading": ["Receipts", "小票"],
  "jobs.intro": ["Print jobs from the till, newest first, with a picture of what each prints.", "收银软件送来的打印任务，最新在前，附小票图样。"],
  "jobs.empty": ["No receipts yet. Whatever till software prints appears here with its state.", "还没有小票。收银软件打印的内容会连同状态显示在这里。"],
  "jobs.loading": ["Loading receipts…", "正在载入小票…"],
  "jobs.picture": ["Receipt {id}", "小票 {id}"],
  "jobs.enlarge": ["Enlarge the picture of receipt {id}", "放大小票 {id} 的图样"],
  "jobs.no_picture": ["no picture", "无图样"],
  "jobs.cancel": ["Cancel", "取消"],
  "jobs.cancelled": ["Job {id} was cancelled.", "任务 {id} 已取消。"],
  "jobs.from": ["by {source}", "来自 {source}"],
  "job.queued": ["Queued", "排队中"],
  "job.queued_means": ["Safe in the journal, waiting for its turn.", "已存入日志，等待打印。"],
  "job.sending": ["Sending", "发送中"],
  "job.sending_means": ["On its way to the printer.", "正在送往打印机。"],
  "job.printed": ["Printed", "已打印"],
  "job.printed_means": ["The printer itself confirmed it.", "打印机已亲自确认。"],
  "job.unconfirmed": ["Unconfirmed", "未确认"],
  "job.unconfirmed_means": ["Nobody can know whether it came out. Look at the paper before you print it again.", "无法得知是否打出。再次打印前请先查看纸张。"],
  "job.failed": ["Failed", "失败"],
  "job.failed_means": ["It was not printed.", "没有打印。"],
  "job.cancelled": ["Cancelled", "已取消"],
  "job.cancelled_means": ["Taken back before its bytes were sent.", "发送之前已撤回。"],
  "source.raw": ["network printer port 9100", "网络打印端口 9100"],
  "source.api": ["the API", "接口"],

  "counter.heading": ["A counter to play with", "练习收银台"],
  "counter.intro": ["The hub here is virtual: real firmware, simulated scanner, printer, drawer and cable. Try everything; nothing can break.", "这里的集线盒是虚拟的：固件是真的，扫码枪、打印机、钱箱和线缆是模拟的。随便试，不会弄坏任何东西。"],
  "counter.slow": ["Its chip is an emulated Pico: the image and the program are a real one's, its speed is not. Give it time: a receipt with a picture takes about a minute. All limits are counted in the chip's time.", "芯片是模拟的 Pico：镜像和程序与真机相同，速度不同。请耐心等待：带图片的小票约需一分钟。所有时限都按芯片的时间计算。"],
  "counter.failed": ["Not done: {detail}", "未完成：{detail}"],
  "counter.unreachable": ["Not done: the bridge doesn't answer.", "未完成：桥接服务没有回应。"],

  "shelf.heading": ["Scan something", "扫一件商品"],
  "shelf.milk": ["Milk 1 l", "鲜牛奶 1 升"],
  "shelf.bread": ["Rye bread", "黑麦面包"],
  "shelf.tea": ["Green tea", "绿茶"],
  "shelf.soap": ["Hand soap", "洗手皂"],
  "shelf.member": ["Member card", "会员码"],
  "shelf.cheese": ["Cheese by weight", "称重奶酪"],
  "shelf.smudged": ["Smudged label", "污损标签"],
  "shelf.smudged_hint": ["wrong check digit", "校验位错误"],
  "shelf.cheese_hint": ["GS1-128, 0.482 kg", "GS1-128，0.482 千克"],
  "shelf.member_hint": ["QR code", "二维码"],
  "shelf.scan_it": ["Scan {name}, {code}", "扫 {name}，{code}"],
  "shelf.free": ["Or scan any text", "或扫任意内容"],
  "shelf.placeholder": ["type what the barcode says", "输入条码内容"],
  "shelf.symbology": ["Barcode type", "条码类型"],
  "shelf.scan": ["Scan", "扫码"],
  "shelf.done": ["Scanned: {data}", "已扫：{data}"],
  "shelf.nothing": ["Type something to scan first.", "请先输入要扫的内容。"],

  "print.heading": ["Print something", "打印一张小票"],
  "print.sample_en": ["English receipt", "英文小票"],
  "print.sample_zh": ["Chinese receipt", "中文小票"],
  "print.typed": ["Or print what you type", "或打印您输入的文字"],
  "print.placeholder": ["any text, in any script", "任意文字"],
  "print.text": ["Print text", "打印文字"],
  "print.drop": ["Drop a PNG picture here to print it", "把 PNG 图片拖到这里打印"],
  "print.choose": ["Choose a picture", "选择图片"],
  "print.done": ["The bridge took it as job {id}.", "桥接服务已接收，任务 {id}。"],
  "print.duplicate": ["The same content was sent as job {id} {n} s before.", "相同内容已在 {n} 秒前作为任务 {id} 发送。"],
  "print.nothing": ["Type something to print first.", "请先输入要打印的文字。"],
  "print.not_png": ["That is not a PNG picture. Only PNG is printed from here.", "这不是 PNG 图片。这里只能打印 PNG。"],
  "print.too_large": ["That picture has {n} MB; at most {max} MB are taken.", "图片有 {n} MB，最多接收 {max} MB。"],

  "drawer.heading": ["The drawer", "钱箱"],
  "drawer.open": ["Open drawer", "打开钱箱"],
  "drawer.close": ["Push it shut", "推回钱箱"],
  "drawer.asked": ["Drawer: {outcome}.", "钱箱：{outcome}。"],
  "drawer.pushed": ["The drawer was pushed shut.", "钱箱已推回。"],
  "drawer.now": ["The drawer now: {word}", "钱箱现在：{word}"],

  "break.heading": ["Break something", "弄坏点什么"],
  "break.intro": ["Each switch breaks one thing, as it happens in a shop. Watch the top of the page and the LED.", "每个开关模拟一种店里常见的故障。请看页面顶部和状态灯的变化。"],
  "break.loading": ["Loading…", "正在载入…"],
  "break.set": ["{name}: {word}.", "{name}：{word}。"],
  "break.normal": ["in order", "正常"],
  "break.broken": ["broken", "故障中"],
  "break.cable": ["Cable", "线缆"],
  "break.cable.off": ["plugged in", "已插好"],
  "break.cable.on": ["pulled out", "已拔出"],
  "break.backup_cable": ["Backup cable", "备用线缆"],
  "break.backup_cable.off": ["plugged in", "已插好"],
  "break.backup_cable.on": ["pulled out", "已拔出"],
  "break.hub_power": ["Hub's power", "集线盒电源"],
  "break.hub_power.off": ["on", "通电"],
  "break.hub_power.on": ["cut off", "已断电"],
  "break.printer_power": ["Printer's power", "打印机电源"],
  "break.printer_power.off": ["on", "通电"],
  "break.printer_power.on": ["cut off", "已断电"],
  "break.paper_end": ["Paper roll", "纸卷"],
  "break.paper_end.off": ["loaded", "有纸"],
  "break.paper_end.on": ["used up", "已用完"],
  "break.paper_near_end": ["Paper supply", "余纸"],
  "break.paper_near_end.off": ["plenty", "充足"],
  "break.paper_near_end.on": ["running low", "快用完"],
  "break.cover_open": ["Printer's cover", "打印机机盖"],
  "break.cover_open.off": ["closed", "关好"],
  "break.cover_open.on": ["open", "打开"],
  "break.cutter": ["Paper cutter", "切刀"],
  "break.cutter.off": ["free", "正常"],
  "break.cutter.on": ["jammed", "卡住"],
  "break.drawer_stuck": ["Drawer's lock", "钱箱锁"],
  "break.drawer_stuck.off": ["moves freely", "灵活"],
  "break.drawer_stuck.on": ["stuck", "卡住"],
  "break.drawer_stuck.hint": ["Now open the drawer: it shows when it is asked to open.", "现在点“打开钱箱”：请求打开时才会发现。"],
  "break.drawer_forced": ["Drawer's key", "钱箱钥匙"],
  "break.drawer_forced.off": ["in the manager's pocket", "在店长手里"],
  "break.drawer_forced.on": ["opened the drawer", "打开了钱箱"],
  "break.drawer_switch": ["Drawer's switch", "钱箱开关"],
  "break.drawer_switch.off": ["firm", "接触良好"],
  "break.drawer_switch.on": ["fluttering", "抖动"],
  "break.scanner_unplugged": ["Scanner's plug", "扫码枪插头"],
  "break.scanner_unplugged.off": ["plugged in", "已插好"],
  "break.scanner_unplugged.on": ["pulled out", "已拔出"],

  "till.heading": ["Be the till", "扮演收银软件"],
  "till.intro": ["Without till software nobody takes the scans, and they expire. Switch this on and this page takes them, as a till program would.", "没有收银软件取走，扫码就会过期。打开开关，本页面就像收银软件一样取走扫码。"],
  "till.switch": ["Take the scans", "取走扫码"],
  "till.switch.on": ["taking", "正在取"],
  "till.switch.off": ["off", "关闭"],
  "till.basket": ["The basket is empty. Scan a product.", "购物篮是空的，请扫一件商品。"],
  "till.unknown": ["no product of this shop", "本店没有此商品"],
  "till.total": ["Total {sum}", "合计 {sum}"],
  "till.pay": ["Take cash", "收现金"],
  "till.empty": ["Empty the basket", "清空购物篮"],
  "till.nothing": ["There is nothing to pay for. Scan a product first.", "没有可结账的商品，请先扫一件。"],
  "till.paid": ["Sold: the receipt is job {id}; the drawer: {outcome}.", "成交：小票任务 {id}；钱箱：{outcome}。"],

  "break.link_noise": ["Noise on the cable", "线路干扰"],
  "break.link_noise.off": ["none", "没有"],
  "break.link_noise.on": ["disturbing", "干扰中"],
  "break.link_silent": ["Bytes on the cable", "线上数据"],
  "break.link_silent.off": ["flowing", "畅通"],
  "break.link_silent.on": ["swallowed", "被吞掉"],
  "break.hub_hang": ["Hub's program", "集线盒程序"],
  "break.hub_hang.off": ["running", "运行中"],
  "break.hub_hang.on": ["hung", "卡死"],

  "tray.heading": ["Came out of the printer", "打印机吐出的小票"],
  "tray.empty": ["Nothing yet. Print a receipt and tear it off here.", "还没有。打印一张小票，就会从这里出来。"],
  "tray.loading": ["Looking into the tray…", "正在查看…"],
  "tray.receipt": ["Paper {n}", "第 {n} 张"],
  "tray.cut": ["cut", "已切"],
  "tray.torn": ["not cut", "未切"],
  "tray.enlarge": ["Enlarge paper {n}", "放大第 {n} 张"],

  "viewer.close": ["Close", "关闭"],

  "ago.seconds": ["{n} s ago", "{n} 秒前"],
  "ago.minutes": ["{n} min ago", "{n} 分钟前"],
  "ago.hours": ["{n} h ago", "{n} 小时前"],
  "ago.days": ["{n} d ago", "{n} 天前"],
  "size.bytes": ["{n} bytes", "{n} 字节"],
  "size.kilobytes": ["{n} kB", "{n} kB"],
};

export const LANGUAGES = ["en", "zh"];
const STORAGE_KEY = "counterhub.language";

let language = "en";

/** Keys that lack a text in a language, as "key (language)". The page and the tests call this. */
export function missingTexts() {
  return Object.entries(TEXTS).flatMap(([key, texts]) =>
    LANGUAGES.filter((_, index) => typeof texts[index] !== "string" || texts[index].trim() === "").map(
      (name) => `${key} (${name})`,
    ),
  );
}

export const hasText = (key) => Object.hasOwn(TEXTS, key);
export const currentLanguage = () => language;

/** The text for `key` with `{name}` replaced from `values`. An unknown key is a mistake and shows as itself. */
export function t(key, values = {}) {
  if (!hasText(key)) {
    console.error(`no text for "${key}"`);
    return key;
  }
  const text = TEXTS[key][LANGUAGES.indexOf(language)];
  return text.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

let reasons = {}; // code: {en, zh}, from the bridge

/** Take over why things end as they do, in both languages. */
export function serveTexts(answer) {
  reasons = answer?.reasons ?? {};
}

/** Why something ended, as a sentence of its own; a code without a text shows as itself. */
export function reasonText(code) {
  const text = Object.hasOwn(reasons, code) ? pick(reasons[code]) : String(code);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Why the bridge refused: in Chinese what it is, with its details as they come. */
export function problemText(error) {
  if (error.code === "unreachable") return t("counter.unreachable");
  const why = language === "zh" && error.titleZh ? `${error.titleZh}（${error.message}）` : error.message;
  return t("counter.failed", { detail: why });
}

/** The text for a code that the server may extend: `prefix.code` if there is one, otherwise the code itself. */
export function codeText(prefix, code) {
  const key = `${prefix}.${code}`;
  return hasText(key) ? t(key) : String(code);
}

/** The reader's language out of the server's {en, zh}. */
export function pick(text) {
  return text?.[language] || text?.en || text?.zh || "";
}

/** Remembered choice, else the browser's first language that the page speaks, else English. */
export function chooseLanguage() {
  let wanted = null;
  try {
    wanted = localStorage.getItem(STORAGE_KEY);
  } catch {
    // Storage is off: the choice lasts for this visit.
  }
  const offered = [wanted, ...(navigator.languages ?? [navigator.language])].map((name) => (name ?? "").slice(0, 2));
  language = offered.find((name) => LANGUAGES.includes(name)) ?? "en";
}

export function setLanguage(name) {
  if (!LANGUAGES.includes(name)) throw new Error(`expected one of ${LANGUAGES.join(", ")}, got ${name}`);
  language = name;
  try {
    localStorage.setItem(STORAGE_KEY, name);
  } catch {
    // As above.
  }
}

/** Fill every element marked with data-t, data-t-label or data-t-placeholder. */
export function translateDocument() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = t("page.title");
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
  for (const node of document.querySelectorAll("[data-t-placeholder]")) node.placeholder = t(node.dataset.tPlaceholder);
}

const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

/** "14:03:07", with the day before it when it is not today's. `ms` since the epoch; null: a dash. */
export function clockText(ms, now = Date.now()) {
  if (ms === null) return "–";
  const date = new Date(ms);
  const sameDay = date.toDateString() === new Date(now).toDateString();
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
  const day = sameDay ? {} : { month: "short", day: "numeric" };
  return new Intl.DateTimeFormat(locale(), { ...day, ...time }).format(date);
}

export function agoText(ms, now = Date.now()) {
  const seconds = Math.max(0, Math.floor((now - ms) / 1000));
  if (seconds < 60) return t("ago.seconds", { n: seconds });
  if (seconds < 3600) return t("ago.minutes", { n: Math.floor(seconds / 60) });
  if (seconds < 86_400) return t("ago.hours", { n: Math.floor(seconds / 3600) });
  return t("ago.days", { n: Math.floor(seconds / 86_400) });
}

export function sizeText(bytes) {
  return bytes < 1000 ? t("size.bytes", { n: bytes }) : t("size.kilobytes", { n: (bytes / 1000).toFixed(1) });
}

const SYMBOLOGIES = {
  "]E0": "ean13", "]E3": "ean_addon", "]E4": "ean8", "]C0": "code128", "]C1": "gs1_128", "]A0": "code39", "]G0": "code93",
  "]I0": "itf", "]I1": "itf", "]F0": "codabar", "]d1": "datamatrix", "]d2": "gs1_datamatrix", "]e0": "databar",
  "]L0": "pdf417", "]z0": "aztec",
};
export const OFFERED_SYMBOLOGIES = ["]E0", "]E4", "]C0", "]C1", "]A0", "]Q1", "]Q3", "]d1", "]d2", "]e0"];

/** The name of an AIM symbology identifier. */
export function symbologyText(identifier) {
  if (!identifier) return t("symbology.none");
  if (identifier === "]Q3") return t("symbology.gs1_qr");
  if (/^\]Q[0-6]$/.test(identifier)) return t("symbology.qr");
  return Object.hasOwn(SYMBOLOGIES, identifier) ? t(`symbology.${SYMBOLOGIES[identifier]}`) : identifier;
}
