"""The sentences of the fault table, in English and Chinese: what it is, why, and what to do."""

from __future__ import annotations

import msgspec

from host_bridge.state import Text


class FaultText(msgspec.Struct, frozen=True):
    title: Text
    cause: Text
    remedy: Text


def _fault(title: tuple[str, str], cause: tuple[str, str], remedy: tuple[str, str]) -> FaultText:
    return FaultText(Text(*title), Text(*cause), Text(*remedy))


FAULT_TEXTS: dict[str, FaultText] = {
    "paper_end": _fault(
        ("Receipt printer: out of paper", "小票打印机缺纸"),
        ("The paper roll is used up, or lies wrong.", "纸卷已用完，或纸卷没有放好。"),
        (
            "Put in a new roll and close the cover. Waiting receipts print by themselves; do not send them again.",
            "请换上新纸卷并合上机盖。等待中的小票会自动打印，请勿重复打印。",
        ),
    ),
    "cover_open": _fault(
        ("Receipt printer: cover open", "小票打印机机盖打开"),
        ("The printer's cover is not closed.", "打印机的机盖没有合上。"),
        ("Close the cover until it clicks.", "请合上机盖，直到听到“咔嗒”一声。"),
    ),
    "cutter": _fault(
        ("Receipt printer: cutter jammed", "小票打印机切刀卡住"),
        ("Paper or a foreign body holds the cutter.", "切刀被纸屑或异物卡住。"),
        (
            "Switch the printer off, open the cover, take the paper out of the cutter, close it and switch on.",
            "请关闭打印机电源，打开机盖，取出切刀处的纸，合上机盖后重新开机。",
        ),
    ),
    "printer_power": _fault(
        ("Receipt printer does not answer", "小票打印机没有响应"),
        ("It is switched off, has no power, or its cable is out.", "打印机已关机、断电，或数据线脱落。"),
        (
            "Check the printer's switch and both its cables. A receipt that was being printed is marked unconfirmed.",
            "请检查打印机开关、电源线和数据线。正在打印的那张小票会标记为“未确认”。",
        ),
    ),
    "printer_error": _fault(
        ("Receipt printer: error", "小票打印机故障"),
        ("The printer reports an error that it can't clear itself.", "打印机报告了无法自行恢复的故障。"),
        (
            "Switch the printer off and on. If it stays, call the technician.",
            "请关闭再打开打印机；若仍有故障，请联系技术人员。",
        ),
    ),
    "paper_near_end": _fault(
        ("Receipt paper is running out", "小票纸即将用完"),
        ("The roll's end is near.", "纸卷快用完了。"),
        ("Have a new roll ready; change it when there is no customer.", "请备好新纸卷，在没有顾客时更换。"),
    ),
    "scanner_unplugged": _fault(
        ("Barcode scanner is unplugged", "扫码枪未连接"),
        ("The scanner's plug is out of the hub.", "扫码枪的插头从集线盒上脱落。"),
        (
            "Push the scanner's plug into the hub. Until then type the numbers in.",
            "请将扫码枪插头插回集线盒；在此之前请手动输入条码。",
        ),
    ),
    "scans_waiting": _fault(
        ("Too many scans wait for the till", "等待收银机的扫码过多"),
        (
            "The till has not taken scans for a while, and the hub's memory is nearly full. It holds the scanner off if it can.",
            "收银机已有一段时间没有接收扫码，集线盒存储将满；可控制的扫码枪会被暂停。",
        ),
        (
            "Stop scanning until the till is back. What was read arrives then; check the last articles.",
            "请暂停扫码。收银机恢复后已读条码会自动送达，请核对最后几件商品。",
        ),
    ),
    "scanner_garbled": _fault(
        ("Barcode scanner sends garbage", "扫码枪发送了无效数据"),
        (
            "More came in one go than any barcode holds: a wrong baud rate, or a bad plug.",
            "一次收到的数据超过任何条码的长度：波特率不符或插头接触不良。",
        ),
        (
            "Scan the article again. If it stays, push the scanner's plug in, then call the technician.",
            "请重新扫描该商品；若仍出现，请插紧扫码枪插头，然后联系技术人员。",
        ),
    ),
    "drawer_stuck": _fault(
        ("Cash drawer did not open", "钱箱未能打开"),
        ("It is locked, jammed, or its cable is out.", "钱箱被锁住、卡住，或连接线脱落。"),
        (
            "Check that the drawer is not locked, and its cable; open it with the key.",
            "请确认钱箱未上锁并检查连接线；必要时用钥匙打开。",
        ),
    ),
    "drawer_left_open": _fault(
        ("Cash drawer is still open", "钱箱仍未关闭"),
        ("The drawer has been open for a long time.", "钱箱已打开较长时间。"),
        ("Close the drawer.", "请关闭钱箱。"),
    ),
    "drawer_forced_open": _fault(
        ("Cash drawer was opened without the till", "钱箱未经收银机而被打开"),
        (
            "It was opened with the key or by force: nobody asked the till to open it.",
            "钱箱被钥匙或外力打开，收银机没有发出开箱指令。",
        ),
        (
            "If you opened it with the key, close it: that is all. If not, look after the cash and call the manager.",
            "若是您用钥匙打开的，关上即可；若不是，请看好现金并通知店长。",
        ),
    ),
    "drawer_switch": _fault(
        ("Cash drawer's switch flutters", "钱箱开关信号抖动"),
        (
            "The switch says open and closed many times a second: a loose contact, a bad plug or cable.",
            "开关在一秒内多次报告打开与关闭：触点、插头或线缆松动。",
        ),
        (
            "Push the drawer's plug in. It still opens, but nobody can tell whether it did; call the technician.",
            "请插紧钱箱插头。钱箱仍可打开，但无法确认是否已打开；请联系技术人员。",
        ),
    ),
    "scanner_restarted": _fault(
        ("Barcode scanner lost its power for a moment", "扫码枪曾瞬间断电"),
        (
            "It greeted as it does when it is switched on: its plug or its cable is loose.",
            "扫码枪发出了开机问候：插头或线缆松动。",
        ),
        (
            "Push the scanner's plug in and scan the last article again.",
            "请插紧扫码枪插头，并重新扫描最后一件商品。",
        ),
    ),
    "indicator": _fault(
        ("Hub's status light does not work", "集线盒指示灯不可用"),
        (
            "The board file names a pin for the light that this board does not have, or no light at all was found.",
            "板卡配置为指示灯指定了不存在的引脚，或找不到指示灯。",
        ),
        (
            "Go on selling: everything else works. The technician corrects [indicator] in the board file.",
            "可继续收银，其他功能正常；请技术人员更正板卡配置中的 [indicator]。",
        ),
    ),
    "safe_mode": _fault(
        ("Hub is in safe mode", "集线盒处于安全模式"),
        ("Its program failed five times in a row.", "集线盒程序连续五次启动失败。"),
        ("Call the technician: the hub wants its firmware looked at.", "请联系技术人员检查集线盒固件。"),
    ),
    "task_failed": _fault(
        ("Hub: a part was restarted", "集线盒部分程序已重启"),
        ("A task in the hub failed and was started again.", "集线盒中的一个任务出错并已重新启动。"),
        ("Go on selling. Tell the technician if it comes often.", "可继续收银；若经常出现，请告知技术人员。"),
    ),
    "board_file": _fault(
        ("Hub's board file is wrong", "集线盒板卡配置有误"),
        (
            "The file that tells the hub its wiring is absent, damaged or wrong; counterhub status says where.",
            "集线盒的接线配置文件缺失、损坏或有误；counterhub status 会指出位置。",
        ),
        (
            "What works goes on working. Call the technician: the hub must be flashed again.",
            "可用的设备会继续工作。请联系技术人员重新刷写集线盒。",
        ),
    ),
    "printer_left_out": _fault(
        ("Hub leaves the receipt printer out", "集线盒未启用小票打印机"),
        (
            "The printer's section of the hub's board file is wrong: a pin or UART that isn't there.",
            "板卡配置中打印机一节有误（引脚或 UART 不存在）。",
        ),
        (
            "Go on selling without receipts; they wait. Call the technician: the hub must be flashed again.",
            "可继续收银，小票会等待打印。请联系技术人员重新刷写集线盒。",
        ),
    ),
    "scanner_left_out": _fault(
        ("Hub leaves the barcode scanner out", "集线盒未启用扫码枪"),
        (
            "The scanner's section of the hub's board file is wrong: a pin or UART that isn't there.",
            "板卡配置中扫码枪一节有误（引脚或 UART 不存在）。",
        ),
        (
            "Type the numbers in. Call the technician: the hub must be flashed again.",
            "请手动输入条码，并联系技术人员重新刷写集线盒。",
        ),
    ),
    "drawer_left_out": _fault(
        ("Hub leaves the cash drawer out", "集线盒未启用钱箱"),
        (
            "The drawer's section of the hub's board file is wrong: a pin that isn't there.",
            "板卡配置中钱箱一节有误（引脚不存在）。",
        ),
        (
            "Open the drawer with its key. Call the technician: the hub must be flashed again.",
            "请用钥匙打开钱箱，并联系技术人员重新刷写集线盒。",
        ),
    ),
    "hub_storage": _fault(
        ("Hub's storage is full", "集线盒存储空间已满"),
        (
            "The hub's file system has no room left, or can't be written. It goes on working.",
            "集线盒的文件系统空间不足或无法写入，但仍可继续工作。",
        ),
        (
            "Go on selling. Tell the technician: counterhub backup and counterhub erase make room.",
            "可继续收银。请告知技术人员：可用 counterhub backup 和 counterhub erase 腾出空间。",
        ),
    ),
    "journal_full": _fault(
        ("This till's disk is full", "收银机磁盘已满"),
        ("There is no room to keep new receipts safe.", "磁盘空间不足，无法安全保存新的小票。"),
        ("Free some disk space. Receipts taken before still print.", "请清理磁盘空间；之前接收的小票仍会打印。"),
    ),
    "on_backup_path": _fault(
        ("Hub runs on its backup cable", "集线盒正在使用备用线缆"),
        (
            "Its main cable is out or disturbed; the second one has taken over, and nothing was lost.",
            "主线缆脱落或受干扰，备用线缆已接替，没有丢失任何数据。",
        ),
        (
            "Go on selling. Push in the hub's main cable at both ends; it is used again by itself.",
            "可继续收银。请插紧集线盒主线缆的两端；恢复后会自动切换回主线缆。",
        ),
    ),
    "backup_path_down": _fault(
        ("Hub's backup cable does not work", "集线盒的备用线缆不可用"),
        (
            "The second cable between till and hub is out, dead in one direction, or not set up.",
            "收银机与集线盒之间的备用线缆脱落、单向不通或未配置。",
        ),
        (
            "Go on selling. Push in the backup cable at both ends; if this stays, tell the technician.",
            "可继续收银。请插紧备用线缆的两端；若仍出现，请告知技术人员。",
        ),
    ),
    "backup_other_hub": _fault(
        ("Backup cable leads to another hub", "备用线缆接到了另一个集线盒"),
        (
            "Main and backup cable end at two different hubs; the backup is not used.",
            "主线缆与备用线缆接在两个不同的集线盒上，备用线缆不会被使用。",
        ),
        (
            "Go on selling. Tell the technician: both cables belong to the same hub.",
            "可继续收银。请告知技术人员：两条线缆应接在同一个集线盒上。",
        ),
    ),
    "port_missing": _fault(
        ("Hub is not connected", "集线盒未连接"),
        ("Its cable is out, or it has no power.", "集线盒的数据线脱落或没有通电。"),
        (
            "Push in the hub's cable at both ends and look at its light. Everything goes on by itself.",
            "请插紧集线盒两端的线缆并查看指示灯；恢复后一切会自动继续。",
        ),
    ),
    "port_busy": _fault(
        ("Another program uses the hub", "集线盒被其他程序占用"),
        ("Its port is open elsewhere.", "集线盒的端口已被其他程序打开。"),
        ("Close the other program, or restart the till.", "请关闭占用端口的程序，或重启收银机。"),
    ),
    "permission_denied": _fault(
        ("The hub's port may not be used", "没有权限使用集线盒端口"),
        ("The bridge's user may not open the port.", "桥接服务的用户没有打开该端口的权限。"),
        (
            "Call the technician: add the user to the port's group (dialout).",
            "请联系技术人员：将该用户加入端口所属的用户组（dialout）。",
        ),
    ),
    "hub_silent": _fault(
        ("Hub does not answer", "集线盒没有响应"),
        ("The port is there, but the hub says nothing.", "端口存在，但集线盒没有任何响应。"),
        (
            "Wait ten seconds. Then pull the hub's cable and plug it in again.",
            "请等待十秒；若仍无响应，请拔下集线盒的线再重新插上。",
        ),
    ),
    "hub_deaf": _fault(
        ("Hub does not hear this till", "集线盒收不到收银机的信号"),
        (
            "The hub speaks, but what the till answers does not reach it: a loose plug or a broken wire.",
            "收银机能听到集线盒，但发出的应答到不了集线盒：插头松动或线缆断线。",
        ),
        (
            "Pull the hub's cable and push it in firmly at both ends. If this stays, change the cable.",
            "请拔下集线盒的线缆，再将两端重新插紧；若仍出现，请更换线缆。",
        ),
    ),
    "checksum_errors": _fault(
        ("Connection to the hub is disturbed", "与集线盒的连接受干扰"),
        ("Bytes arrive damaged: a bad cable, plug, or baud rate.", "数据传输出错：线缆、插头或波特率有问题。"),
        ("Change the hub's cable.", "请更换集线盒的线缆。"),
    ),
    "hub_at_prompt": _fault(
        ("Hub's program is not running", "集线盒程序未运行"),
        ("The hub shows a Python prompt: its firmware was stopped.", "集线盒停在 Python 提示符：固件已被停止。"),
        ("Pull the hub's cable and plug it in again.", "请拔下集线盒的线再重新插上。"),
    ),
    "firmware_too_old": _fault(
        ("The hub's firmware is too old", "集线盒固件版本过旧"),
        ("Hub and bridge no longer speak the same language.", "集线盒与桥接服务的协议版本不兼容。"),
        ("Call the technician: update the hub's firmware.", "请联系技术人员升级集线盒固件。"),
    ),
    "bridge_too_old": _fault(
        ("This till's bridge is too old", "收银机桥接服务版本过旧"),
        ("The hub is newer than the bridge.", "集线盒的版本比桥接服务新。"),
        ("Call the technician: update counterhub on this till.", "请联系技术人员升级本机的 counterhub。"),
    ),
    "versions_differ": _fault(
        ("Hub and bridge are of different versions", "集线盒与桥接服务版本不同"),
        (
            "One was updated without the other. What both know goes on working.",
            "只升级了其中一方。双方都支持的功能仍可使用。",
        ),
        (
            "Go on selling. When there is time the technician runs counterhub flash on this till: it lays the firmware that fits.",
            "可以继续收银。请技术人员有空时在本机执行 counterhub flash，写入匹配的固件。",
        ),
    ),
    "hub_crashed": _fault(
        ("Hub restarted by itself", "集线盒自行重启过"),
        (
            "Its program hung or failed. It was started again, and works.",
            "集线盒程序曾卡死或出错，已自动重新启动并恢复工作。",
        ),
        (
            "Go on selling. If it comes again, note what counterhub status says of the last crash, and call the technician "
            "to update the hub's firmware.",
            "可继续收银。若再次出现，请记下 counterhub status 显示的上次崩溃原因，并联系技术人员升级集线盒固件。",
        ),
    ),
    "link_error": _fault(
        ("Connection to the hub failed", "与集线盒的连接失败"),
        ("The port reports an error.", "端口报告错误。"),
        ("Pull the hub's cable and plug it in again.", "请拔下集线盒的线再重新插上。"),
    ),
    "two_hubs": _fault(
        ("Two hubs are plugged in", "接入了两个集线盒"),
        (
            "Both answer, and none of them was served before: the bridge does not guess whose drawer to open.",
            "两个集线盒都有应答，且都没有使用过：系统不会猜测该打开哪个钱箱。",
        ),
        (
            "Unplug the one that does not belong here. To use both, call the technician: each gets a name.",
            "请拔下不属于这里的那个；若两个都要用，请联系技术人员为它们分别命名。",
        ),
    ),
    "other_hub": _fault(
        ("Another hub is plugged in", "接入了另一个集线盒"),
        ("A hub answers, but not the one that belongs here.", "有集线盒应答，但不是这里应使用的那个。"),
        (
            "Plug in the hub that belongs here. If it was exchanged, call the technician: its id is in the settings.",
            "请接入这里应使用的集线盒；若已更换，请联系技术人员修改设置中的 ID。",
        ),
    ),
    "same_hub": _fault(
        ("This hub is served under another name", "该集线盒已以另一名称使用"),
        ("Two names in the settings lead to the same hub.", "设置中的两个名称指向同一个集线盒。"),
        (
            "Call the technician: one of the two names needs another id or port.",
            "请联系技术人员：其中一个名称需要改用别的 ID 或端口。",
        ),
    ),
    "journal_failed": _fault(
        ("Receipts can't be kept safe here", "无法安全保存小票"),
        ("The journal of this hub can't be opened or written.", "无法打开或写入该集线盒的日志。"),
        (
            "Call the technician: the bridge's log says why. The bridge tries again by itself.",
            "请联系技术人员查看服务日志中的原因；系统会自动重试。",
        ),
    ),
    "hub_stopped": _fault(
        ("This hub's service is starting again", "该集线盒的服务正在重新启动"),
        ("A part of the service for this hub ended.", "该集线盒的服务有一部分已停止。"),
        (
            "Wait half a minute. If it stays, call the technician: the bridge's log says why.",
            "请等待半分钟；若仍未恢复，请联系技术人员查看服务日志中的原因。",
        ),
    ),
}

PATTERN_TEXTS: dict[str, Text] = {
    "off": Text("Off: the hub has no power.", "熄灭：集线盒没有通电。"),
    "ready": Text("Steady green: all is well.", "绿灯常亮：一切正常。"),
    "waiting": Text("Slow blue blink: the hub waits for the till.", "蓝灯慢闪：集线盒正在等待收银机。"),
    "safe_mode": Text("Violet double blink: safe mode, call the technician.", "紫灯双闪：安全模式，请联系技术人员。"),
    "starting": Text("Fast white blink: the hub is starting.", "白灯快闪：集线盒正在启动。"),
}
