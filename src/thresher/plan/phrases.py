"""The words of a plan's report, in each language."""

from thresher.plan.catalogue import Language

_PHRASES: dict[str, tuple[str, str]] = {
    "title": ("Migration plan", "마이그레이션 계획"),
    "vms": ("VMs", "VM 수"),
    "ready": ("ready", "준비됨"),
    "warnings": ("ready, with warnings", "준비됨(경고 있음)"),
    "blocked": ("blocked", "차단됨"),
    "is-ready": ("ready", "준비됨"),
    "is-warnings": ("ready, with warnings", "준비됨(경고 있음)"),
    "is-blocked": ("blocked", "차단됨"),
    "provisioned": ("provisioned", "할당 용량"),
    "used": ("used", "사용 용량"),
    "estimated": ("partly unknown: all that is provisioned", "일부 알 수 없음: 할당 용량으로 계산"),
    "transfer": ("to transfer", "전송량"),
    "scratch": ("scratch at most", "최대 임시 공간"),
    "duration": ("duration", "소요 시간"),
    "downtime": ("downtime", "중단 시간"),
    "bandwidth": ("bandwidth", "대역폭"),
    "measured": ("measured", "측정값"),
    "assumed": ("as given", "지정값"),
    "limits": (
        "at once: imports / disks of a source / disks of a host",
        "동시: 가져오기 / 소스 디스크 / 호스트 디스크",
    ),
    "made": ("made at", "작성 시각"),
    "findings": ("What to do first", "먼저 할 일"),
    "severity": ("severity", "심각도"),
    "blocker": ("blocker", "차단"),
    "warning": ("warning", "경고"),
    "note": ("note", "참고"),
    "rule": ("rule", "규칙"),
    "means": ("what it means", "의미"),
    "do": ("what to do", "할 일"),
    "waves": ("Waves", "차수"),
    "wave": ("wave", "차수"),
    "starts": ("starts", "시작"),
    "networks": ("Networks", "네트워크"),
    "network": ("network", "네트워크"),
    "vlan": ("VLAN", "VLAN"),
    "nics": ("NICs", "NIC 수"),
    "destination": ("destination", "대상"),
    "undecided": ("none yet", "미정"),
    "management": ("management network", "관리 네트워크"),
    "how": ("how", "근거"),
    "chosen": ("chosen", "선택"),
    "suggested": ("suggested by VLAN", "VLAN으로 제안"),
    "machines": ("VMs", "VM"),
    "vm": ("VM", "VM"),
    "folder": ("folder", "폴더"),
    "verdict": ("verdict", "판정"),
}


def phrase(key: str, language: Language) -> str:
    """A word or a heading of the report."""
    return _PHRASES[key][language is Language.KOREAN]
