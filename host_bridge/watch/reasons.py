"""Why the link is down, and why a job or a kick ended as it did, in English and Chinese.

One table for the page (which gets it at `/api/v1/texts`) and the command line. Each is a part of a sentence: a small
letter first, no full stop.
"""

from __future__ import annotations

from host_bridge.state import Text

REASON_TEXTS: dict[str, Text] = {
    "port_missing": Text("the port is gone: cable out, or the hub has no power", "端口消失：线缆拔出，或集线盒没电"),
    "port_vanished": Text(
        "the port vanished while in use: cable out, or the hub has no power", "端口在使用中消失：线缆拔出，或集线盒没电"
    ),
    "port_busy": Text("another program holds the port", "端口被其他程序占用"),
    "permission_denied": Text("no permission to open the port", "没有权限打开端口"),
    "open_timeout": Text("the port could not be opened in time", "端口未能及时打开"),
    "io_error": Text("the port failed while in use", "端口在使用中出错"),
    "silent": Text("the port is there, but the hub says nothing", "端口存在，但集线盒没有响应"),
    "no_answer": Text("the hub did not answer", "集线盒没有应答"),
    "checksum_errors": Text("too many damaged frames: check cable and plugs", "损坏的帧过多：请检查线缆和插头"),
    "repl": Text("the hub stands at a Python prompt", "集线盒停在 Python 提示符"),
    "firmware_too_old": Text("the hub's firmware is too old for this bridge", "集线盒固件对本桥接服务来说太旧"),
    "bridge_too_old": Text("this bridge is too old for the hub", "本桥接服务对集线盒来说太旧"),
    "version_mismatch": Text("hub and bridge speak different versions", "集线盒与桥接服务版本不同"),
    "hub_restarted": Text("the hub restarted meanwhile", "其间集线盒重新启动"),
    "hub_lost_session": Text("the hub lost the session", "集线盒丢失了会话"),
    "closed_by_peer": Text("the other end closed the connection", "对方关闭了连接"),
    "closed": Text("the connection was closed", "连接已关闭"),
    "starting": Text("the bridge has just started", "桥接服务刚刚启动"),
    "stopped": Text("the bridge is stopping", "桥接服务正在停止"),
    "link_down": Text("the hub is not connected", "集线盒未连接"),
    "expired": Text("its time was over", "已超时"),
    "drawer_stuck": Text("it got its pulse but stayed shut", "收到脉冲但没有打开"),
    "duty": Text("too soon after the last pulse", "距上次脉冲太近"),
    "repeated": Text("the hub had this request before", "集线盒已处理过此请求"),
    "invalid": Text("the hub could not use the request", "集线盒无法使用此请求"),
    "printer_power": Text("the printer lost power", "打印机断电"),
    "printer_silent": Text("the printer doesn't answer", "打印机没有应答"),
    "printer_error": Text("the printer reported an error", "打印机报告故障"),
    "paper_end": Text("the printer was out of paper", "打印机缺纸"),
    "cover_open": Text("the printer's cover was open", "打印机机盖打开"),
    "cutter": Text("the cutter was jammed", "切刀卡住"),
    "link_lost": Text("the connection to the hub was lost meanwhile", "其间与集线盒的连接中断"),
    "data_lost": Text("its bytes are no longer in the journal", "日志中已没有其内容"),
    "hub_forgot_job": Text("the hub no longer knows the job", "集线盒已不记得此任务"),
    "wrong_proof": Text("the printer confirmed another job", "打印机确认的是另一个任务"),
    "no_proof": Text("the printer did not confirm it in time", "打印机没有及时确认"),
    "job_replaced": Text("another job took its place on the hub", "集线盒上的任务被替换"),
    "job_overrun": Text("the printer could not keep up", "打印机来不及接收"),
    "cancelled": Text("cancelled on request", "应要求取消"),
    "bridge_restarted": Text("the bridge restarted meanwhile", "其间服务重新启动"),
    "abandoned": Text("the till went away before it was accepted", "接收完成之前收银软件已离开"),
    "link_busy": Text("the link to the hub has no room", "与集线盒的连接繁忙"),
    "two_hubs": Text("several hubs are plugged in, and none was served before", "接入了多个集线盒，且都没有使用过"),
    "other_hub": Text("another hub than expected is plugged in", "接入的不是应使用的集线盒"),
    "same_hub": Text("this hub is served under another name", "该集线盒已以另一名称使用"),
    "journal_failed": Text("the journal can't be used", "无法使用日志"),
    "hub_stopped": Text("its service is starting again", "服务正在重新启动"),
    "standby": Text("the hub is heard, but gives no session", "听到集线盒，但未建立会话"),
    "changing_path": Text("the other path is being opened", "正在切换到另一条线路"),
    "path_changed": Text("the other path took over", "另一条线路已接替"),
}
